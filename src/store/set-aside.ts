import { readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** What SQLite keeps beside a database; they belong to it and go where it goes. */
export const COMPANIONS = ['-wal', '-shm'] as const;

/** Damaged databases that are kept: a disk that damages each new one must not be filled with them. */
const KEPT = 3;

/** `2026-11-27T19-26-08Z`: sorts by time and needs no quotes in a shell. */
export function timeStamp(now: number): string {
  return `${new Date(now).toISOString().slice(0, 19).replaceAll(':', '-')}Z`;
}

/**
 * Moves a database that cannot be used out of the way, for whoever wants to look into it. Returns its new name. Throws
 * what node:fs throws.
 */
export function setAside(file: string, now: number): string {
  const taken = new Set(namesBeside(file));
  const base = `${basename(file)}.damaged-${timeStamp(now)}`;
  let name = base;
  for (let number = 2; taken.has(name); number++) name = `${base}-${number}`;
  const aside = join(dirname(file), name);
  renameSync(file, aside);
  for (const companion of COMPANIONS) {
    if (taken.has(`${basename(file)}${companion}`)) renameSync(`${file}${companion}`, `${aside}${companion}`);
  }
  for (const old of listSetAside(file).slice(0, -KEPT)) {
    for (const suffix of ['', ...COMPANIONS]) rmSync(`${old}${suffix}`, { recursive: true, force: true });
  }
  return aside;
}

/** The databases that were set aside, oldest first. Empty where the folder cannot be read. */
export function listSetAside(file: string): readonly string[] {
  const prefix = `${basename(file)}.damaged-`;
  return namesBeside(file)
    .filter((name) => name.startsWith(prefix) && !COMPANIONS.some((companion) => name.endsWith(companion)))
    .toSorted()
    .map((name) => join(dirname(file), name));
}

function namesBeside(file: string): readonly string[] {
  try {
    return readdirSync(dirname(file));
  } catch {
    return [];
  }
}
