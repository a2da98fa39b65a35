import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { TinderboxError } from '../errors.ts';
import type { CpioEntry } from './cpio.ts';
import { readElfNeeds } from './elf-needs.ts';

/** Where Debian's amd64 packages put shared objects, before and after /lib was merged into /usr. */
const LIBRARY_FOLDERS = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu', 'usr/lib', 'lib'];
/** A folder that the loader searches without being told. */
const TARGET = 'lib/x86_64-linux-gnu';

/**
 * `programs` (`usr/bin/curl`) of unpacked packages below `root`, with the loader and every shared object that they need,
 * as members of an initramfs with the folders these are in.
 */
export async function collectPrograms(
  root: string,
  programs: readonly string[],
): Promise<readonly CpioEntry[]> {
  const files = new Map<string, CpioEntry>();
  const visit = async (source: string, path: string): Promise<void> => {
    if (files.has(path)) return;
    const content = await readFile(source);
    files.set(path, { kind: 'file', path, content, executable: true });
    const needs = readElfNeeds(content);
    if (needs === undefined) throw new TinderboxError('unavailable', `${source} is no 64-bit ELF file`);
    const { interpreter, libraries } = needs;
    if (interpreter !== undefined)
      await visit(findLibrary(root, basename(interpreter)), interpreter.slice(1));
    // The loader has been taken already, at the path where programs look for it.
    for (const name of libraries.filter((one) => !one.startsWith('ld-linux'))) {
      await visit(findLibrary(root, name), `${TARGET}/${name}`);
    }
  };
  for (const program of programs) await visit(`${root}/${program}`, program);
  return [...foldersOf([...files.keys()]), ...files.values()];
}

/** Parents first, each once. */
function foldersOf(paths: readonly string[]): readonly CpioEntry[] {
  const folders = new Set<string>();
  for (const path of paths) {
    const parts = path.split('/').slice(0, -1);
    for (const [index] of parts.entries()) folders.add(parts.slice(0, index + 1).join('/'));
  }
  return [...folders].toSorted().map((path) => ({ kind: 'folder', path }));
}

function findLibrary(root: string, name: string): string {
  const found = LIBRARY_FOLDERS.map((folder) => `${root}/${folder}/${name}`).find((path) => existsSync(path));
  if (found === undefined) throw new TinderboxError('unavailable', `no package holds ${name}`);
  return found;
}
