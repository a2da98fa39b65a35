import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { TinderboxError } from '../errors.ts';
import { runForBytes } from './run-program.ts';

export interface KernelModule {
  readonly name: string;
  /** The plain ELF file. */
  readonly content: Uint8Array;
}

/**
 * `wanted` modules and what they depend on, in an order in which insmod can load them; built-in ones are skipped.
 * Read from each module's own `depends=`, since a package that is only unpacked has no modules.dep.
 */
export async function collectModules(
  folder: string,
  wanted: readonly string[],
): Promise<readonly KernelModule[]> {
  const files = new Map<string, string>();
  for (const path of await readdir(folder, { recursive: true })) {
    if (/\.ko(\.xz|\.zst|\.gz)?$/.test(path)) files.set(moduleName(path), `${folder}/${path}`);
  }
  const builtin = new Set((await builtinModules(folder)).map(moduleName));
  const ordered = new Map<string, KernelModule>();
  const visit = async (name: string): Promise<void> => {
    if (ordered.has(name) || builtin.has(name)) return;
    const file = files.get(name);
    if (file === undefined) throw new TinderboxError('not-found', `the kernel package has no module ${name}`);
    const content = await readModule(file);
    for (const dependency of dependsOf(content)) await visit(dependency);
    ordered.set(name, { name, content });
  };
  for (const name of wanted) await visit(moduleName(name));
  return [...ordered.values()];
}

/** `virtio-rng.ko.xz` → `virtio_rng`: the kernel treats hyphens and underscores alike. */
function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko.*$/, '')
    .replaceAll('-', '_');
}

async function builtinModules(folder: string): Promise<readonly string[]> {
  for (const path of await readdir(folder, { recursive: true })) {
    if (basename(path) === 'modules.builtin') {
      return (await readFile(`${folder}/${path}`, 'utf8')).split('\n').filter((line) => line !== '');
    }
  }
  return [];
}

async function readModule(file: string): Promise<Uint8Array> {
  if (file.endsWith('.xz')) return runForBytes(['xz', '--decompress', '--stdout', file]);
  if (file.endsWith('.zst')) return runForBytes(['zstd', '--decompress', '--stdout', file]);
  if (file.endsWith('.gz')) return runForBytes(['gzip', '--decompress', '--stdout', file]);
  return readFile(file);
}

/** The section .modinfo holds NUL-terminated `key=value`. */
function dependsOf(content: Uint8Array): readonly string[] {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const start = bytes.indexOf('\0depends=');
  if (start < 0) return [];
  const from = start + '\0depends='.length;
  return bytes
    .toString('latin1', from, bytes.indexOf(0, from))
    .split(',')
    .filter((name) => name !== '')
    .map(moduleName);
}
