import { lstat, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TinderboxError } from './errors.ts';

/** Of a folder, or of a link on the way to it. */
interface Place {
  readonly path: string;
  readonly uid: number;
  readonly mode: number;
  readonly isLink: boolean;
}

/**
 * Throws TinderboxError `refused` if somebody else could change what is written into a folder before it is used: keys
 * would be read and a script replaced that root is to run. It must belong to root, to who runs this, or to `invokedBy`
 * (who ran sudo), and be writable by its owner only; so must each folder above it, where one with the sticky bit (/tmp)
 * does too, since there nobody moves another's. What does not exist yet is not looked at.
 */
export async function checkOwnFolder(folder: string, invokedBy?: number): Promise<void> {
  const trusted = new Set([0, process.geteuid?.() ?? 0, ...(invokedBy === undefined ? [] : [invokedBy])]);
  const real = await existing(folder);
  for (const path of new Set([...upwards(folder), ...upwards(real)])) {
    const place = await look(path);
    if (place === undefined) continue;
    const problem = judge(place, trusted, path === real || path === folder);
    if (problem === undefined) continue;
    throw new TinderboxError('refused', `${path} ${problem}`, {
      remedy: `Whoever can write there could read the keys and replace install.sh. Give --out a folder of your own, in one that only you may write to (/root/${folder.split('/').at(-1) ?? ''}), or mend it: chown, chmod go-w.`,
    });
  }
}

function judge(
  { uid, mode, isLink }: Place,
  trusted: ReadonlySet<number>,
  isTarget: boolean,
): string | undefined {
  if (!trusted.has(uid)) return `belongs to another user (${uid})`;
  if (isLink || (mode & 0o022) === 0) return undefined;
  if (!isTarget && (mode & 0o1000) !== 0) return undefined;
  return `may be written to by ${(mode & 0o002) === 0 ? 'its group' : 'everybody'}`;
}

async function look(path: string): Promise<Place | undefined> {
  try {
    const found = await lstat(path);
    return { path, uid: found.uid, mode: found.mode, isLink: found.isSymbolicLink() };
  } catch {
    return undefined;
  }
}

/** The folder without links; as far as it exists. */
async function existing(folder: string): Promise<string> {
  for (const path of upwards(folder)) {
    try {
      return await realpath(path);
    } catch {
      // The next one above it.
    }
  }
  return folder;
}

/** The folder itself and all above it. Absolute. */
function upwards(folder: string): readonly string[] {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...upwards(above)];
}
