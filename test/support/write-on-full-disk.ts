/**
 * Run with a folder, in a mount namespace of its own: writes the files of a role on a small tmpfs there, with and without
 * room, and prints what happened as JSON.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toTinderboxError } from '../../src/errors.ts';
import type { LaidOutFile } from '../../src/render/lay-out-config.ts';
import { writeRoleFolder } from '../../src/write-role-folder.ts';

const [disk = ''] = process.argv.slice(2);
const out = join(disk, 'deep/out');
const PAGES = 4096;
const file = (path: string, pages: number, letter: string): LaidOutFile => ({
  path,
  content: Buffer.alloc(pages * PAGES, letter),
  mode: 0o600,
  owner: 'root',
});
const list = (): readonly string[] => readdirSync(disk, { recursive: true, encoding: 'utf8' }).sort();
const attempt = async (...files: readonly LaidOutFile[]): Promise<object> => {
  try {
    const { written, removed } = await writeRoleFolder({ folder: out, force: false, title: {}, files });
    return { written, removed, list: list() };
  } catch (thrown) {
    const { code, message, remedy } = toTinderboxError(thrown);
    return { code, message, remedy, list: list() };
  }
};

execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48k', 'none', disk]);
const results = {
  full: await attempt(file('/etc/first', 4, 'a'), file('/etc/kubernetes/second', 9, 'a')),
  room: await attempt(file('/etc/first', 1, 'b'), file('/etc/second', 2, 'b')),
  // Room for one of the two, whose old ones stay until both new ones are there.
  again: await attempt(file('/etc/first', 4, 'c'), file('/var/second', 6, 'c')),
  kept: readFileSync(join(out, 'etc/first'), 'utf8').slice(0, 1),
  after: await attempt(file('/etc/first', 1, 'd'), file('/var/second', 2, 'd')),
};
console.log(JSON.stringify(results));
