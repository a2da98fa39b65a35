import { randomBytes } from 'node:crypto';
import { chmod, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TinderboxError } from '../errors.ts';

/** Beside the images: whoever may write there may replace them anyway, and a name with a dot is never served. */
const FILE = '.trusted-keys.json';

/** A key that the operator has confirmed once, with the key itself, for the day on which its URL does not answer. */
export interface TrustedKey {
  readonly fingerprint: string;
  readonly vendor: string;
  readonly owner: string;
  /** ISO 8601. */
  readonly confirmedAt: string;
  readonly armored: string;
}

/** Throws TinderboxError `refused` if it is damaged: a key that was confirmed must not have to be guessed. */
export async function readTrustedKeys(assets: string): Promise<readonly TrustedKey[]> {
  const file = join(assets, FILE);
  const text = await readFile(file, 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined;
    throw thrown;
  });
  if (text === undefined) return [];
  try {
    const { keys } = JSON.parse(text) as { readonly keys: readonly TrustedKey[] };
    if (keys.every(({ fingerprint, armored }) => /^[0-9A-F]{40,64}$/.test(fingerprint) && armored !== ''))
      return keys;
  } catch {
    // Said below.
  }
  throw new TinderboxError('refused', `${file} is damaged`, {
    remedy: 'Remove it; the next pull asks for the keys again.',
  });
}

/** Adds or replaces one, whole or not at all. */
export async function trustKey(assets: string, key: TrustedKey): Promise<void> {
  const others = (await readTrustedKeys(assets)).filter(({ fingerprint }) => fingerprint !== key.fingerprint);
  const file = join(assets, FILE);
  const temporary = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    {
      await using handle = await open(temporary, 'wx', 0o644);
      await handle.writeFile(`${JSON.stringify({ keys: [...others, key] }, null, 2)}\n`);
      await handle.sync();
    }
    await chmod(temporary, 0o644);
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}
