import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { TinderboxError } from '../errors.ts';
import { readPkiFolder } from './authority-files.ts';
import { createKeyMaker } from './make-keys.ts';
import { useAuthorities } from './open-authorities.ts';
import type { Authorities } from './port.ts';
import { RUN_AS_OWNER } from './secret-files.ts';

/**
 * The cluster's authorities as they lie in `<state>/pki`, for a command beside the daemon: nothing is made, and nothing
 * on the disk is changed. Throws TinderboxError: `not-found` before the first start, `refused` if this user may not
 * read them, `invalid-config` if they are not whole.
 */
export async function readAuthorities(folder: string, clock: () => number): Promise<Authorities> {
  try {
    if ((await readdir(folder)).length === 0) throw noneYet(folder);
  } catch (thrown) {
    switch ((thrown as NodeJS.ErrnoException).code) {
      case 'ENOENT':
        throw noneYet(folder);
      case 'EACCES':
      case 'EPERM':
        throw new TinderboxError('refused', `you may not read the authorities in ${folder}`, {
          cause: thrown,
          remedy: RUN_AS_OWNER,
        });
      default:
        throw thrown;
    }
  }
  const content = await readPkiFolder(folder);
  return useAuthorities(content, { clock, random: randomBytes, keys: createKeyMaker({ reserve: 0 }) });
}

function noneYet(folder: string): TinderboxError {
  return new TinderboxError('not-found', `there are no authorities in ${folder} yet`, {
    remedy: 'The first start makes them; to bring those of a cluster that exists: tinderbox ca import.',
  });
}
