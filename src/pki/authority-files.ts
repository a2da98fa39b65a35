import type { KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Problem, TinderboxError } from '../errors.ts';
import { AUTHORITY_NAMES, type AuthorityName } from '../machine/identity.ts';
import { nameOf } from './check-authority.ts';
import {
  type AuthorityMaterial,
  arrangeAuthority,
  isKeyOf,
  readAuthorityText,
  readParts,
} from './read-authority.ts';
import { isForbidden, RUN_AS_OWNER } from './secret-files.ts';

/**
 * `<state>/pki`: one file an authority, with its key before its certificate, so that a file is there as a whole or not
 * at all; and the pair that signs service-account tokens.
 */
export interface PkiContent {
  readonly authorities: Readonly<Record<AuthorityName, AuthorityMaterial>>;
  readonly serviceAccounts: KeyObject;
}

export const SERVICE_ACCOUNTS_FILE = 'service-accounts.pem';
export const fileOf = (authority: AuthorityName): string => `${authority}.pem`;
export const PKI_FILES: readonly string[] = [...AUTHORITY_NAMES.map(fileOf), SERVICE_ACCOUNTS_FILE];

/**
 * Reads all of it. Throws `invalid-config` with every problem: a file that is missing is not made anew, since machines
 * that run trust the one that is gone. Throws `refused` if this user may not read it.
 */
export async function readPkiFolder(folder: string): Promise<PkiContent> {
  const problems: Problem[] = [];
  const attempt = async <T>(name: string, read: (text: string) => T): Promise<T | undefined> => {
    const file = join(folder, name);
    try {
      return read(await readFile(file, 'utf8'));
    } catch (thrown) {
      if (isForbidden(thrown)) throw forbidden(file, thrown);
      const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
      problems.push({
        severity: 'error',
        file,
        message: missing ? 'is missing' : (thrown as Error).message,
        remedy: 'Restore it from a backup, or bring the authority: tinderbox ca import',
      });
      return undefined;
    }
  };
  const kubernetes = await attempt(fileOf('kubernetes'), readAuthorityFile);
  const etcd = await attempt(fileOf('etcd'), readAuthorityFile);
  const frontProxy = await attempt(fileOf('front-proxy'), readAuthorityFile);
  const serviceAccounts = await attempt(SERVICE_ACCOUNTS_FILE, readKeyFile);
  if (!kubernetes || !etcd || !frontProxy || !serviceAccounts) {
    throw new TinderboxError('invalid-config', `the cluster's authorities in ${folder} are not whole`, {
      problems,
      remedy: `Nothing is made anew while a part is there. If no machine has joined yet, remove ${folder}.`,
    });
  }
  return { authorities: { kubernetes, etcd, 'front-proxy': frontProxy }, serviceAccounts };
}

/** Nothing is wrong with the file: to say that a backup should be restored would do harm. */
function forbidden(file: string, cause: unknown): TinderboxError {
  return new TinderboxError('refused', `${file}: may not be read by this user`, {
    cause,
    remedy: RUN_AS_OWNER,
  });
}

export function readAuthorityFile(text: string): AuthorityMaterial {
  const { certificates, keys } = readAuthorityText(text);
  const [key, ...moreKeys] = keys;
  const [certificate] = certificates;
  if (key === undefined || moreKeys.length > 0)
    throw new Error(`it holds ${keys.length} private keys, not one`);
  if (certificate === undefined) throw new Error('it holds no certificate');
  if (!isKeyOf(key, certificate)) throw new Error('its key is not the one of its first certificate');
  if (!readParts(certificate).isAuthority) throw new Error('its first certificate is no authority (CA:TRUE)');
  return arrangeAuthority(certificates, key);
}

export function readKeyFile(text: string): KeyObject {
  const { keys } = readAuthorityText(text);
  const [key, ...more] = keys;
  if (key === undefined || more.length > 0) throw new Error(`it holds ${keys.length} private keys, not one`);
  return key;
}

export function writeAuthorityFile({ certificate, key, parents, alsoTrusted }: AuthorityMaterial): string {
  return [
    '# An authority of the cluster. Who reads this file can be any of its machines.\n',
    exportKey(key),
    certificateBlock('the authority', certificate),
    ...parents.map((parent) => certificateBlock('its issuer', parent)),
    ...alsoTrusted.map((other) => certificateBlock('trusted too', other)),
  ].join('');
}

function certificateBlock(comment: string, certificate: X509Certificate): string {
  return `# ${comment}: ${nameOf(certificate)}\n${certificate.toString()}`;
}

export function writeKeyFile(key: KeyObject): string {
  return `# Signs the tokens of service accounts. Who reads this file can be any of them.\n${exportKey(key)}`;
}

export function exportKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}
