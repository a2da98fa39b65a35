import { join } from 'node:path';
import type { Problem } from '../errors.ts';
import { AUTHORITY_NAMES, type AuthorityName } from '../machine/identity.ts';
import { fileOf, readPkiFolder } from './authority-files.ts';
import { checkAuthority, nameOf } from './check-authority.ts';
import { describeKey } from './describe-key.ts';
import { checkClock, refuseAbsurdClock } from './make-authority.ts';
import type { AuthorityDescription } from './port.ts';
import { type AuthorityMaterial, isSelfSigned } from './read-authority.ts';
import { listFolder } from './secret-files.ts';

/** What may be shown of an authority: nothing of its key but its size. */
export function describeAuthority(name: AuthorityName, material: AuthorityMaterial): AuthorityDescription {
  const { certificate, parents, alsoTrusted } = material;
  return {
    name,
    subject: nameOf(certificate),
    issuer: certificate.issuer.replaceAll('\n', ', '),
    selfSigned: isSelfSigned(certificate),
    serial: certificate.serialNumber.toLowerCase(),
    fingerprint: certificate.fingerprint256,
    key: describeKey(certificate.publicKey),
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
    alsoTrusted: [...parents, ...alsoTrusted].map((other, at) => ({
      relation: at < parents.length ? ('issuer' as const) : ('other' as const),
      subject: nameOf(other),
      fingerprint: other.fingerprint256,
      notBefore: other.validFromDate.getTime(),
      notAfter: other.validToDate.getTime(),
    })),
  };
}

/** What `<state>/pki` holds; undefined before the first start. Changes nothing. Throws as readPkiFolder does. */
export async function describeFolder(folder: string): Promise<readonly AuthorityDescription[] | undefined> {
  if ((await listFolder(folder)).length === 0) return undefined;
  const { authorities } = await readPkiFolder(folder);
  return AUTHORITY_NAMES.map((name) => describeAuthority(name, authorities[name]));
}

/**
 * What should be known of what `<state>/pki` holds, with files: authorities that have expired, and a clock with which
 * nothing can be dated, are errors, since nothing can be issued. Changes nothing. Throws as readPkiFolder does. `now`: ms since the epoch.
 */
export async function checkFolder(folder: string, now: number): Promise<readonly Problem[]> {
  const isEmpty = (await listFolder(folder)).length === 0;
  if (isEmpty) {
    // The daemon makes them, and cannot with such a clock.
    refuseAbsurdClock(now);
    return [];
  }
  const { authorities } = await readPkiFolder(folder);
  return [
    ...checkClock(now).map((problem) => ({ ...problem, file: folder })),
    ...AUTHORITY_NAMES.flatMap((name) =>
      checkAuthority(authorities[name], now).map((problem) => ({
        ...problem,
        file: join(folder, fileOf(name)),
        message: `the ${name} authority: ${problem.message}`,
      })),
    ),
  ];
}
