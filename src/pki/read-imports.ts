import { createPublicKey, type KeyObject } from 'node:crypto';
import { type Problem, TinderboxError } from '../errors.ts';
import { AUTHORITY_NAMES, type AuthorityName } from '../machine/identity.ts';
import { readKeyFile } from './authority-files.ts';
import { checkAuthority } from './check-authority.ts';
import { findKeyWeakness } from './describe-key.ts';
import {
  type AuthorityMaterial,
  type AuthorityText,
  arrangeAuthority,
  readAuthorityText,
} from './read-authority.ts';

/** PEM texts; certificate and key may come in either order, or in one. `file` is for messages. */
export interface ImportText {
  readonly text: string;
  readonly file: string;
  /** What stands in a file of its own: the key, mostly. */
  readonly rest?: readonly ImportText[];
}

export interface ImportSources {
  readonly authorities: Partial<Readonly<Record<AuthorityName, ImportText>>>;
  /** The private key that signs service-account tokens. */
  readonly serviceAccounts?: ImportText;
}

export interface Imports {
  readonly authorities: Partial<Readonly<Record<AuthorityName, AuthorityMaterial>>>;
  readonly serviceAccounts: KeyObject | undefined;
  readonly problems: readonly Problem[];
}

/** Reads and checks what is to be imported; all that is wrong is in `problems`. `now`: ms since the epoch. */
export function readImports({ authorities, serviceAccounts }: ImportSources, now: number): Imports {
  const problems: Problem[] = [];
  const found: Partial<Record<AuthorityName, AuthorityMaterial>> = {};
  const attempt = <T>({ file, text }: ImportText, read: (text: string) => T): T | undefined => {
    try {
      return read(text);
    } catch (thrown) {
      problems.push({ severity: 'error', file, message: (thrown as Error).message });
      return undefined;
    }
  };
  for (const name of AUTHORITY_NAMES) {
    const source = authorities[name];
    if (source === undefined) continue;
    const parts = [source, ...(source.rest ?? [])].map((part) => attempt(part, readAuthorityText));
    // What is wrong with a part is said of its own file; of the whole nothing can be said then.
    if (!parts.every((part) => part !== undefined)) continue;
    const material = attempt(source, () => arrangeImport(parts));
    if (material === undefined) continue;
    found[name] = material;
    problems.push(...checkAuthority(material, now).map((problem) => ({ ...problem, file: source.file })));
  }
  const key = serviceAccounts && attempt(serviceAccounts, readKeyFile);
  const weakness = key && findKeyWeakness(createPublicKey(key));
  if (weakness !== undefined && serviceAccounts !== undefined) {
    problems.push({ severity: 'error', file: serviceAccounts.file, message: weakness });
  }
  return { authorities: found, serviceAccounts: key, problems };
}

function arrangeImport(parts: readonly AuthorityText[]): AuthorityMaterial {
  const keys = parts.flatMap((part) => part.keys);
  const [key, ...more] = keys;
  if (key === undefined) throw new Error('there is no private key: an authority without it cannot sign');
  if (more.length > 0) throw new Error(`there are ${keys.length} private keys, not one`);
  return arrangeAuthority(
    parts.flatMap(({ certificates }) => certificates),
    key,
  );
}

/** Throws `invalid-config` with every error, if there is one. */
export function refuseErrors(problems: readonly Problem[]): void {
  const errors = problems.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw unreadable(errors);
}

export function unreadable(problems: readonly Problem[]): TinderboxError {
  return new TinderboxError('invalid-config', 'the import is refused; nothing was changed', { problems });
}
