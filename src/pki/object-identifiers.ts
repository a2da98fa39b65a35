/** Attributes of a name (RFC 5280 appendix A, RFC 4519). */
export const NAME_OIDS = { commonName: '2.5.4.3', organization: '2.5.4.10' } as const;

/** Certificate extensions (RFC 5280 section 4.2). */
export const EXTENSION_OIDS = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** Purposes of an extended key usage. */
export const USAGE_OIDS = {
  any: '2.5.29.37.0',
  server: '1.3.6.1.5.5.7.3.1',
  client: '1.3.6.1.5.5.7.3.2',
} as const;

/** PKCS #9: the attribute of a request that holds the extensions it asks for (RFC 2985 section 5.4.2). */
export const EXTENSION_REQUEST_OID = '1.2.840.113549.1.9.14';

export interface SignatureScheme {
  readonly oid: string;
  readonly keyType: 'rsa' | 'ec';
  readonly hash: 'sha256' | 'sha384' | 'sha512';
}

/** What is signed with and accepted: nothing with SHA-1 or MD5, and RSA as PKCS #1 v1.5, which everybody reads. */
export const SIGNATURE_SCHEMES: readonly SignatureScheme[] = [
  { oid: '1.2.840.113549.1.1.11', keyType: 'rsa', hash: 'sha256' },
  { oid: '1.2.840.113549.1.1.12', keyType: 'rsa', hash: 'sha384' },
  { oid: '1.2.840.113549.1.1.13', keyType: 'rsa', hash: 'sha512' },
  { oid: '1.2.840.10045.4.3.2', keyType: 'ec', hash: 'sha256' },
  { oid: '1.2.840.10045.4.3.3', keyType: 'ec', hash: 'sha384' },
  { oid: '1.2.840.10045.4.3.4', keyType: 'ec', hash: 'sha512' },
];

/** Bits of keyUsage, from the left (RFC 5280 section 4.2.1.3). */
export const KEY_USAGE_BITS = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;
export type KeyUsage = (typeof KEY_USAGE_BITS)[number];
