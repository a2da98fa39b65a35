import { X509Certificate } from 'node:crypto';
import { type Problem, TinderboxError } from '../errors.ts';
import type { AuthorityName } from '../machine/identity.ts';
import { basicConstraints, keyIdentifier, keyUsage, subjectKeyIdentifier } from './encode-extensions.ts';
import { CURVE, type KeyKind, type KeyMaker } from './make-keys.ts';
import { type AuthorityMaterial, readParts } from './read-authority.ts';
import { encodeSubject, makeSerial, signCertificate } from './sign-certificate.ts';

/** As kubeadm calls them. */
const COMMON_NAMES: Readonly<Record<AuthorityName, string>> = {
  kubernetes: 'kubernetes',
  etcd: 'etcd-ca',
  'front-proxy': 'front-proxy-ca',
};

const DAY = 24 * 60 * 60 * 1000;
/** Ten years, and two or three leap days. */
const AUTHORITY_LIFETIME = 3652 * DAY;
/** A machine whose clock keeps local time, and reads it as UTC, is off by up to 14 hours. */
export const BACKDATE = DAY;

/** Earlier, this program did not exist; later, ten years more than an authority made today lasts. */
const EARLIEST = Date.UTC(2025, 0, 1);
const LATEST = Date.UTC(2100, 0, 1);

/** Throws `unavailable` if the clock cannot be right: what is dated with it would be of no use. */
export function refuseAbsurdClock(now: number): void {
  const [found] = checkClock(now);
  if (found === undefined) return;
  const { message, remedy } = found;
  throw new TinderboxError('unavailable', message, remedy === undefined ? {} : { remedy });
}

/** The same as a list of none or one. `now`: milliseconds since the epoch. */
export function checkClock(now: number): readonly Problem[] {
  if (now >= EARLIEST && now < LATEST) return [];
  const said = Number.isFinite(now) && Math.abs(now) < 8.64e15 ? new Date(now).toISOString() : String(now);
  return [
    {
      severity: 'error',
      message: `the clock of this host says ${said}: no certificate can be dated`,
      remedy: 'Set the clock (timedatectl set-ntp true), then start again.',
    },
  ];
}

export interface MakeAuthorityOptions {
  readonly name: AuthorityName;
  readonly now: number;
  readonly keys: KeyMaker;
  readonly random: (bytes: number) => Uint8Array;
  /** Of its key; P-256 unless told. */
  readonly keyKind?: KeyKind;
}

/** A self-signed authority that has none below it. */
export async function makeAuthority(options: MakeAuthorityOptions): Promise<AuthorityMaterial> {
  const { publicKey, privateKey } = await options.keys.make(options.keyKind ?? CURVE);
  const name = encodeSubject({ commonName: COMMON_NAMES[options.name], organizations: [] });
  const der = await signCertificate(
    {
      serial: makeSerial(options.random),
      issuer: name,
      subject: name,
      notBefore: options.now - BACKDATE,
      notAfter: options.now + AUTHORITY_LIFETIME,
      publicKey,
      extensions: [
        basicConstraints(0),
        keyUsage(['digitalSignature', 'keyCertSign', 'cRLSign']),
        subjectKeyIdentifier(keyIdentifier(publicKey)),
      ],
    },
    privateKey,
  );
  const certificate = new X509Certificate(der);
  return { certificate, parts: readParts(certificate), key: privateKey, parents: [], alsoTrusted: [] };
}
