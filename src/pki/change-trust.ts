import type { X509Certificate } from 'node:crypto';
import { type Problem, TinderboxError } from '../errors.ts';
import type { AuthorityName } from '../machine/identity.ts';
import { fileOf, readPkiFolder, writeAuthorityFile } from './authority-files.ts';
import { checkTrusted } from './check-authority.ts';
import { describeAuthority } from './describe-authority.ts';
import type { AuthorityDescription } from './port.ts';
import { arrangeAuthority, readAuthorityText } from './read-authority.ts';
import { type ImportText, refuseErrors, unreadable } from './read-imports.ts';
import { removeLeftovers, replaceSecretFiles } from './secret-files.ts';

export interface TrustOptions {
  readonly folder: string;
  readonly authority: AuthorityName;
  /** Certificates to trust besides the authority's own. */
  readonly add?: ImportText;
  /** SHA-256 of certificates to trust no more, as `ca show` prints them. */
  readonly remove?: readonly string[];
  readonly now: number;
}

/** Changes what machines are told to trust besides an authority. Throws as importAuthorities does, and `not-found`. */
export async function changeTrust({
  folder,
  authority,
  ...change
}: TrustOptions): Promise<AuthorityDescription> {
  await removeLeftovers(folder);
  const { authorities } = await readPkiFolder(folder);
  const material = authorities[authority];
  const known = [...material.parents, ...material.alsoTrusted];
  const added = change.add === undefined ? [] : readTrusted(change.add, change.now);
  const removed = (change.remove ?? []).map((text) => {
    const found = known.find(({ fingerprint256 }) => fingerprint256 === text.trim().toUpperCase());
    if (found !== undefined) return found.fingerprint256;
    throw new TinderboxError(
      'not-found',
      `nothing that ${authority} trusts besides has the fingerprint ${text}`,
      {
        remedy: 'tinderbox ca show lists them.',
      },
    );
  });
  const all = [...known, ...added].filter(
    ({ fingerprint256 }, at, list) =>
      fingerprint256 !== material.certificate.fingerprint256 &&
      !removed.includes(fingerprint256) &&
      list.findIndex((other) => other.fingerprint256 === fingerprint256) === at,
  );
  const next = arrangeAuthority([material.certificate, ...all], material.key);
  await replaceSecretFiles(folder, new Map([[fileOf(authority), writeAuthorityFile(next)]]));
  return describeAuthority(authority, next);
}

function readTrusted({ text, file }: ImportText, now: number): readonly X509Certificate[] {
  const problems: Problem[] = [];
  try {
    const { certificates } = readAuthorityText(text);
    if (certificates.length === 0)
      problems.push({ severity: 'error', file, message: 'it holds no certificate' });
    problems.push(
      ...certificates.flatMap((one) => checkTrusted(one, now)).map((each) => ({ ...each, file })),
    );
    refuseErrors(problems);
    return certificates;
  } catch (thrown) {
    if (thrown instanceof TinderboxError) throw thrown;
    throw unreadable([{ severity: 'error', file, message: (thrown as Error).message }]);
  }
}
