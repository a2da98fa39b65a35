import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { FuzzTarget } from './engine/target.ts';

const FOLDER = join(import.meta.dirname, 'targets');

/** A target is a file of targets/, and called like it. */
export function listTargets(): readonly string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.slice(0, -'.ts'.length))
    .toSorted();
}

export async function loadTarget(name: string): Promise<FuzzTarget> {
  const module = (await import(pathToFileURL(join(FOLDER, `${name}.ts`)).href)) as { target: FuzzTarget };
  return module.target;
}
