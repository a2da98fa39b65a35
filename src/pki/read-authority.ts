import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { type Der, decodeDer, isTagged, octetsOf, partsOf, unwrap } from './der.ts';
import { EXTENSION_OIDS, type KeyUsage } from './object-identifiers.ts';
import { readPem } from './pem.ts';
import {
  readBasicConstraints,
  readExtendedKeyUsage,
  readExtensions,
  readKeyUsage,
} from './read-extensions.ts';

/** What issuing and the checks need of an authority's certificate and X509Certificate does not tell. */
export interface CertificateParts {
  readonly subject: Der;
  readonly keyIdentifier?: Buffer;
  readonly isAuthority: boolean;
  readonly pathLength?: number;
  readonly keyUsage?: readonly KeyUsage[];
  /** Object identifiers. */
  readonly extendedKeyUsage?: readonly string[];
}

/** One authority as it is in memory. The key is an object of OpenSSL's: printing it shows nothing. */
export interface AuthorityMaterial {
  readonly certificate: X509Certificate;
  readonly parts: CertificateParts;
  readonly key: KeyObject;
  /** The issuer, its issuer, … as far as they are known; empty for a self-signed one. */
  readonly parents: readonly X509Certificate[];
  /** Others that machines are told to trust. */
  readonly alsoTrusted: readonly X509Certificate[];
}

/** What a PEM text holds, before anything is checked. */
export interface AuthorityText {
  readonly certificates: readonly X509Certificate[];
  readonly keys: readonly KeyObject[];
}

/** Throws an Error that says what cannot be read; its text holds nothing of a key. */
export function readAuthorityText(text: string): AuthorityText {
  const certificates: X509Certificate[] = [];
  const keys: KeyObject[] = [];
  for (const { label, der, pem } of readPem(text)) {
    switch (label) {
      case 'CERTIFICATE':
      case 'TRUSTED CERTIFICATE':
      case 'X509 CERTIFICATE':
        certificates.push(readCertificate(der));
        break;
      case 'PRIVATE KEY':
      case 'RSA PRIVATE KEY':
      case 'EC PRIVATE KEY':
        keys.push(readPrivateKey(pem));
        break;
      case 'EC PARAMETERS':
        // `openssl ecparam -genkey` writes them before the key, which names its curve itself.
        break;
      default:
        if (label.startsWith('ENCRYPTED ')) {
          throw new Error('the key is encrypted; decrypt it first: openssl pkey -in KEY -out PLAIN');
        }
        throw new Error(`a block '${label}' is neither a certificate nor a private key`);
    }
  }
  return { certificates, keys };
}

/** The first certificate is the authority's; those after it are its issuers as far as they are, and others. */
export function arrangeAuthority(
  certificates: readonly X509Certificate[],
  key: KeyObject,
): AuthorityMaterial {
  const [certificate, ...others] = certificates;
  if (certificate === undefined) throw new Error('there is no certificate');
  const parents: X509Certificate[] = [];
  let below = certificate;
  for (const other of others) {
    if (isSelfSigned(below) || !isIssuedBy(below, other)) break;
    parents.push(other);
    below = other;
  }
  return {
    certificate,
    parts: readParts(certificate),
    key,
    parents,
    alsoTrusted: others.slice(parents.length),
  };
}

/** By name and by signature. */
export function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

export function isSelfSigned(certificate: X509Certificate): boolean {
  const known = selfSigned.get(certificate);
  if (known !== undefined) return known;
  const is = isIssuedBy(certificate, certificate);
  selfSigned.set(certificate, is);
  return is;
}

/** Asked for each certificate that is issued, and a signature is to be checked. */
const selfSigned = new WeakMap<X509Certificate, boolean>();

/** Throws an Error on a certificate whose extensions cannot be read. */
export function readParts(certificate: X509Certificate): CertificateParts {
  const [toBeSigned] = partsOf(decodeDer(certificate.raw), 'the certificate');
  // version [0], which one of version 1 leaves out; serial, algorithm, issuer, validity, subject, …
  const all = partsOf(toBeSigned, 'the certificate');
  const fields = isTagged(all[0], 0) ? all.slice(1) : all;
  const subject = fields[4];
  if (subject === undefined) throw new Error('the certificate has no subject');
  const list = fields.slice(6).find((field) => isTagged(field, 3));
  const [extensions] = list === undefined ? [] : unwrap(list, 3, 'the extensions');
  const values = new Map(
    (extensions === undefined ? [] : readExtensions(extensions)).map(({ oid, value }) => [oid, value]),
  );
  const read = <T>(name: keyof typeof EXTENSION_OIDS, how: (value: Der) => T): T | undefined => {
    const value = values.get(EXTENSION_OIDS[name]);
    return value === undefined ? undefined : how(value);
  };
  const keyIdentifier = read('subjectKeyIdentifier', (value) => octetsOf(value, 'subjectKeyIdentifier'));
  const keyUsage = read('keyUsage', readKeyUsage);
  const extendedKeyUsage = read('extendedKeyUsage', readExtendedKeyUsage);
  return {
    subject,
    ...(read('basicConstraints', readBasicConstraints) ?? { isAuthority: false }),
    ...(keyIdentifier === undefined ? {} : { keyIdentifier }),
    ...(keyUsage === undefined ? {} : { keyUsage }),
    ...(extendedKeyUsage === undefined ? {} : { extendedKeyUsage }),
  };
}

export function readPrivateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // OpenSSL's own words are numbers and library names.
    throw new Error('the private key cannot be read: it is damaged, or of an unknown kind');
  }
}

export function isKeyOf(key: KeyObject, certificate: X509Certificate): boolean {
  return createPublicKey(key).equals(certificate.publicKey);
}

function readCertificate(der: Buffer): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch {
    throw new Error('a certificate cannot be read: it is damaged');
  }
}
