import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Shell {
  readonly name: string;
  readonly argv: readonly string[];
  /** Where programs are looked for. */
  readonly path: string;
}

export const DASH: Shell = { name: 'dash', argv: ['dash'], path: '/usr/bin:/bin' };
export const BASH: Shell = { name: 'bash', argv: ['bash'], path: '/usr/bin:/bin' };

export interface Run {
  readonly status: number | null;
  /** What it said, on both streams. */
  readonly output: string;
  /** Seconds that it would have slept, in order. */
  readonly slept: readonly string[];
}

/**
 * Runs a script of a role to its end, without sleeping: what would wait for ever ends, with status 9, at the sixth time.
 * `root` is a folder for it alone, and holds its /tmp.
 */
export async function runScript(
  script: string,
  { root, shell = BASH }: { readonly root: string; readonly shell?: Shell },
): Promise<Run> {
  const nights = join(root, 'slept');
  const file = join(root, 'script');
  writeFileSync(nights, '');
  mkdirSync(join(root, 'tmp'), { recursive: true });
  const [first = '', ...lines] = script.split('\n');
  const sleep = `sleep() { echo "$1" >>'${nights}'; if [ "$(wc -l <'${nights}')" -ge 6 ]; then exit 9; fi; }`;
  writeFileSync(file, [first, sleep, ...lines].join('\n'));
  const [program = '', ...args] = shell.argv;
  const child = spawn(program, [...args, file], {
    env: { PATH: shell.path, TMPDIR: join(root, 'tmp') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)));
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { status, output, slept: readFileSync(nights, 'utf8').trim().split('\n').filter(Boolean) };
}
