import type { KeyObject } from 'node:crypto';
import { TinderboxError } from '../errors.ts';
import { fingerprintKey } from './describe-key.ts';
import {
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  keyIdentifier,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from './encode-extensions.ts';
import { BACKDATE, refuseAbsurdClock } from './make-authority.ts';
import { writePem } from './pem.ts';
import type { Entitlement, SignedCertificate } from './port.ts';
import { type AuthorityMaterial, isSelfSigned } from './read-authority.ts';
import { encodeSubject, makeSerial, signCertificate } from './sign-certificate.ts';

export interface IssueOptions {
  readonly authority: AuthorityMaterial;
  readonly entitlement: Entitlement;
  readonly publicKey: KeyObject;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly random: (bytes: number) => Uint8Array;
}

/** Signs exactly the entitlement. Throws `expired` or `unavailable` as Authorities says. */
export async function issueCertificate(options: IssueOptions): Promise<SignedCertificate> {
  const { authority, entitlement, publicKey } = options;
  const { notBefore, notAfter } = chooseValidity(options);
  const serial = makeSerial(options.random);
  const der = await signCertificate(
    {
      serial,
      issuer: authority.parts.subject,
      subject: encodeSubject(entitlement.subject),
      notBefore,
      notAfter,
      publicKey,
      extensions: extensionsOf(options),
    },
    authority.key,
  );
  const intermediates = [authority.certificate, ...authority.parents].filter((one) => !isSelfSigned(one));
  return {
    name: entitlement.name,
    certificatePem: [writePem('CERTIFICATE', der), ...intermediates.map(String)].join(''),
    serial: Buffer.from(serial).toString('hex'),
    keyFingerprint: fingerprintKey(publicKey),
    notBefore,
    notAfter,
  };
}

function extensionsOf({ authority, entitlement, publicKey }: IssueOptions) {
  const { names, usage } = entitlement;
  const { keyIdentifier: authorityKey } = authority.parts;
  const hasNames = names.dns.length + names.addresses.length > 0;
  return [
    basicConstraints(),
    // Only RSA can encrypt a session's key (TLS 1.2 and before).
    keyUsage(
      publicKey.asymmetricKeyType === 'rsa' ? ['digitalSignature', 'keyEncipherment'] : ['digitalSignature'],
    ),
    extendedKeyUsage(usage),
    subjectKeyIdentifier(keyIdentifier(publicKey)),
    ...(authorityKey === undefined ? [] : [authorityKeyIdentifier(authorityKey)]),
    ...(hasNames ? [subjectAltName(names)] : []),
  ];
}

/** From a day ago on, for clocks that are behind; within the authority's own time. Whole seconds. */
function chooseValidity({ authority, entitlement, now }: IssueOptions) {
  refuseAbsurdClock(now);
  const from = authority.certificate.validFromDate.getTime();
  const to = authority.certificate.validToDate.getTime();
  if (now < from) {
    throw new TinderboxError(
      'unavailable',
      `the clock of this host says ${day(now)}, and the ${entitlement.authority} authority is valid from ${day(from)} on`,
      { remedy: 'Set the clock; if it is right, the authority was made with a wrong one.' },
    );
  }
  if (now >= to) {
    throw new TinderboxError('expired', `the ${entitlement.authority} authority expired on ${day(to)}`, {
      remedy: 'Bring a new one: tinderbox ca rotate-plan says how. If it has not expired, set the clock.',
    });
  }
  return {
    notBefore: second(Math.max(now - BACKDATE, from)),
    notAfter: second(Math.min(now + entitlement.lifetime, to)),
  };
}

const second = (ms: number): number => Math.floor(ms / 1000) * 1000;

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
