/**
 * Run as a program with a JSON argument: pulls an image as the command does, with a key of the test in the place of the
 * vendor's, and prints what the command prints. `mount`: on a small tmpfs of its own, in a mount namespace.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { type PullFlags, runPull } from '../../src/cli/assets-pull.ts';
import { reportFailure } from '../../src/cli/exit.ts';
import { loadConfig } from '../../src/config/load.ts';
import { flatcar } from '../../src/images/vendors/flatcar.ts';
import { testVendor } from './test-vendor.ts';

export interface ChildPull {
  /** Of tinderbox.yaml. */
  readonly config: string;
  readonly vendor: 'testos' | 'flatcar';
  readonly mirror: string;
  readonly key: { readonly fingerprint: string; readonly owner: string };
  readonly flags?: Partial<PullFlags>;
  /** Size of the tmpfs, as mount has it; pulled twice there, the second time with room. */
  readonly mount?: string;
}

const given = JSON.parse(process.argv[2] ?? '') as ChildPull;
const { config } = await loadConfig(given.config, {});
const vendor =
  given.vendor === 'testos'
    ? testVendor({ url: given.mirror }, [given.key])
    : { ...flatcar, keys: [{ ...given.key, url: `${given.mirror}/key.asc` }] };

async function pull(): Promise<void> {
  const flags: PullFlags = {
    arch: 'amd64',
    mirror: given.mirror,
    trust: [given.key.fingerprint],
    parallel: 1,
    use: true,
    ...given.flags,
  };
  const context = {
    out: (text: string) => void process.stdout.write(text),
    err: (text: string) => void process.stderr.write(text),
    fail: () => void (process.exitCode = 1),
  };
  try {
    await runPull(config, vendor, flags, context, { retry: { tries: 2, pause: 10 } });
  } catch (thrown) {
    process.exitCode = 1;
    context.err(reportFailure(thrown, false).text);
  }
}

const { assets } = config.paths;
if (given.mount !== undefined) {
  mkdirSync(assets, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${given.mount}`, 'none', assets]);
  await pull();
  console.log(JSON.stringify(readdirSync(assets, { recursive: true, encoding: 'utf8' }).toSorted()));
  execFileSync('mount', ['-o', 'remount,size=64m', assets]);
  process.exitCode = 0;
}
await pull();
