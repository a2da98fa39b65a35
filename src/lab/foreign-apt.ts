import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import type { Processor } from './machine-kinds.ts';
import { runProgram } from './run-program.ts';

/** apt as this host has it configured, for this host's packages or those of another processor. */
export interface Apt {
  /** Given to apt-get and apt-cache. */
  readonly options: readonly string[];
  /** Fetches the lists of packages without being root; absent for this host's own lists, which are the system's. */
  readonly update?: () => Promise<void>;
}

const OWN: Apt = { options: [] };
const TIMEOUT = 300_000;

/**
 * apt for packages of `processor`. For a foreign one it has lists of its own below `cache`, with the sources and keys of
 * the system, so that each package is checked as everywhere and the system need not be told of another architecture.
 */
export async function aptFor(processor: Processor, cache: string): Promise<Apt> {
  if (process.arch === (processor === 'amd64' ? 'x64' : processor)) return OWN;
  const folder = `${cache}/apt-${processor}`;
  await mkdir(`${folder}/lists/partial`, { recursive: true });
  await mkdir(`${folder}/cache/archives/partial`, { recursive: true });
  if (!existsSync(`${folder}/status`)) await writeFile(`${folder}/status`, '');
  const options = [
    ['-o', `APT::Architecture=${processor}`, '-o', `APT::Architectures::=${processor}`],
    ['-o', `Dir::State::lists=${folder}/lists`, '-o', `Dir::State::status=${folder}/status`],
    ['-o', `Dir::Cache=${folder}/cache`],
    // Its sandbox user may not write into a folder of ours; the lock is the system's.
    ['-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User=root'],
  ].flat();
  return {
    options,
    async update() {
      await runProgram(['apt-get', '-q', ...options, 'update'], { timeout: TIMEOUT });
    },
  };
}
