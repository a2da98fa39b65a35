import { open } from 'node:fs/promises';
import { passphraseFromEnvironment } from '../config/backup-passphrase.ts';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import type { CliContext } from './context.ts';
import { usageError } from './exit.ts';

/** Longer than anybody types; a file that holds more is not one of a passphrase. */
const MAX_FILE = 4096;

/** From the file that was named, else the environment; undefined: neither says it. Throws `usage` on an empty file. */
export async function givenPassphrase(
  file: string | undefined,
  context: CliContext,
): Promise<string | undefined> {
  if (file === undefined) return passphraseFromEnvironment();
  const { text, mode } = await readLine(file);
  if (text === '') throw usageError(`${file} holds no passphrase in its first line`);
  if ((mode & 0o077) !== 0) context.err(`warning: other users may read ${file}\n    chmod go= ${file}\n`);
  return text;
}

async function readLine(file: string): Promise<{ readonly text: string; readonly mode: number }> {
  try {
    await using handle = await open(file, 'r');
    const { mode } = await handle.stat();
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(MAX_FILE) });
    const [first = ''] = buffer.toString('utf8', 0, bytesRead).split(/\r?\n/);
    return { text: first, mode };
  } catch (thrown) {
    const { code, message } = toTinderboxError(thrown);
    throw new TinderboxError(code, `the passphrase cannot be read: ${message}`, { cause: thrown });
  }
}

/** Without an echo; undefined where there is no terminal. Ctrl-C gives up: `usage`. */
export async function askPassphrase(prompt: string): Promise<string | undefined> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY) return undefined;
  stderr.write(prompt);
  stdin.setRawMode(true);
  stdin.setEncoding('utf8');
  let typed = '';
  try {
    for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
      for (const key of chunk as string) {
        if (key === '\r' || key === '\n' || key === '\u0004') return typed;
        if (key === '\u0003') throw usageError('no passphrase was given');
        typed = key === '\u007f' || key === '\b' ? typed.slice(0, -1) : typed + key;
      }
    }
    return typed;
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
}
