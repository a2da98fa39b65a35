import { readFileSync } from 'node:fs';

/** The version in package.json. */
export function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Whether `a` is a later release than `b`. What follows the three numbers (`-rc.1`) comes before the release itself. */
export function isNewerVersion(a: string, b: string): boolean {
  const [numbersA, numbersB] = [a, b].map((text) => text.split(/[-+]/)[0]?.split('.').map(Number) ?? []);
  for (let index = 0; index < 3; index++) {
    const difference = (numbersA?.[index] ?? 0) - (numbersB?.[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return b.includes('-') && !a.includes('-');
}
