import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** `corpus`: inputs that each run something of their own; `crashers`: what once broke, one file a finding. */
export type InputKind = 'corpus' | 'crashers';

const folderOf = (kind: InputKind, target: string): string => join(ROOT, 'test/fuzz', kind, target);

/** By name, so that the order is the same everywhere. */
export function readInputs(kind: InputKind, target: string): readonly Uint8Array[] {
  return listInputs(kind, target).map(({ bytes }) => bytes);
}

export function listInputs(
  kind: InputKind,
  target: string,
): readonly { readonly name: string; readonly bytes: Uint8Array }[] {
  const folder = folderOf(kind, target);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.bin'))
    .toSorted()
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(folder, name))) }));
}

/** Under a name made of its content. Returns the path within the project. */
export function writeInput(kind: InputKind, target: string, bytes: Uint8Array): string {
  const folder = folderOf(kind, target);
  mkdirSync(folder, { recursive: true });
  const name = `${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}.bin`;
  writeFileSync(join(folder, name), bytes);
  return join('test/fuzz', kind, target, name);
}

/** Instead of those that were there. */
export function replaceCorpus(target: string, inputs: readonly Uint8Array[]): void {
  rmSync(folderOf('corpus', target), { recursive: true, force: true });
  for (const input of inputs) writeInput('corpus', target, input);
}
