import { AUTHORITY_NAMES, type AuthorityName } from '../machine/identity.ts';
import { readPkiFolder } from './authority-files.ts';
import { nameOf } from './check-authority.ts';
import { describeKey } from './describe-key.ts';
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
