import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CloudConfig, filesOf } from './cloud-config.ts';

/** The scripts of a configuration, by path. */
export function scriptsOf(config: CloudConfig): ReadonlyMap<string, string> {
  return new Map([...filesOf(config)].filter(([, content]) => content.startsWith('#!')));
}

/** What the shell that it names, and shellcheck, have against a script; none if nothing. */
export function checkShell(text: string): readonly string[] {
  return checkShells([text]);
}

/** One run of shellcheck for many, as it takes its time to start. */
export function checkShells(texts: Iterable<string>): readonly string[] {
  const scripts = [...new Set(texts)];
  if (scripts.length === 0) return [];
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-shell-'));
  try {
    const files = scripts.map((text, index) => {
      const file = join(folder, `${index}.sh`);
      writeFileSync(file, text);
      return file;
    });
    const problems = scripts.flatMap((text) => parseErrors(text));
    const { error, stdout, stderr } = spawnSync('shellcheck', ['--format=gcc', ...files], {
      encoding: 'utf8',
    });
    if (error !== undefined) throw error;
    const said = `${stdout}${stderr}`
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => `${line}: ${sourceLine(scripts, folder, line)}`);
    return [...problems, ...said];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function parseErrors(text: string): readonly string[] {
  const shells = /^#!\/bin\/sh\b/.test(text)
    ? [
        ['dash', '-n'],
        ['busybox', 'sh', '-n'],
        ['bash', '--posix', '-n'],
      ]
    : [['bash', '-n']];
  return shells.flatMap(([shell = '', ...args]) => {
    const { error, status, stderr } = spawnSync(shell, args, { input: text, encoding: 'utf8' });
    if (error !== undefined) throw error;
    return status === 0 ? [] : [`${shell}: ${stderr}`];
  });
}

function sourceLine(scripts: readonly string[], folder: string, line: string): string {
  const [, index, number] = new RegExp(`^${folder}/(\\d+)\\.sh:(\\d+):`).exec(line) ?? [];
  return scripts[Number(index)]?.split('\n')[Number(number) - 1]?.trim() ?? '';
}
