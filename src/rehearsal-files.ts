import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import type { Config } from './config/port.ts';

export interface RehearsalFiles {
  /** Of the second daemon: tinderbox.yaml. */
  readonly configFile: string;
  readonly socket: string;
  /** What is otherwise than in the operator's own files, in words. */
  readonly differences: readonly string[];
}

/**
 * The operator's configuration for a second daemon: the same but for its state, which is empty, its profiles, which are
 * a copy, and its admin plane. Assets are the real ones, and read only. All of it lies in `folder`.
 */
export async function writeRehearsalFiles(config: Config, folder: string): Promise<RehearsalFiles> {
  const profiles = join(folder, 'profiles');
  const state = join(folder, 'var');
  const socket = join(folder, 'admin.sock');
  const configFile = join(folder, 'tinderbox.yaml');
  // Links stay what they are: what the daemon refuses to follow it must refuse here.
  await cp(config.paths.profiles, profiles, { recursive: true, verbatimSymlinks: true });
  await mkdir(state, { mode: 0o700 });
  const document = parseDocument(await readFile(config.file, 'utf8'));
  document.set('paths', { profiles, assets: config.paths.assets, state });
  document.set('admin', { socket });
  const differences: string[] = [];
  if (config.http.url !== undefined && !isIPv4(new URL(config.http.url).hostname)) {
    document.deleteIn(['http', 'url']);
    differences.push(`http.url is left out: nobody resolves ${new URL(config.http.url).hostname} here`);
  }
  if (config.cluster !== undefined)
    differences.push('certificates come from throw-away authorities: no cluster trusts them');
  await writeFile(configFile, document.toString());
  return { configFile, socket, differences };
}
