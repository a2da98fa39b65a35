import { createHash, type KeyObject } from 'node:crypto';
import { ipv4ToBytes } from '../machine/ipv4.ts';
import {
  bits,
  bitsOf,
  type Der,
  decodeDer,
  encodeDer,
  integer,
  octets,
  oid,
  partsOf,
  sequence,
  tagged,
  truth,
  wrapped,
} from './der.ts';
import { EXTENSION_OIDS, KEY_USAGE_BITS, type KeyUsage, USAGE_OIDS } from './object-identifiers.ts';
import type { Names, Usage } from './port.ts';

/** Extension ::= SEQUENCE { extnID, critical DEFAULT FALSE, extnValue OCTET STRING of DER } (RFC 5280 section 4.1). */
function extension(name: keyof typeof EXTENSION_OIDS, critical: boolean, value: Der): Der {
  const content = octets(encodeDer(value));
  return critical
    ? sequence(oid(EXTENSION_OIDS[name]), truth(), content)
    : sequence(oid(EXTENSION_OIDS[name]), content);
}

/** `pathLength`: how many authorities may stand below it; absent: it is none itself. */
export function basicConstraints(pathLength?: number): Der {
  const value = pathLength === undefined ? sequence() : sequence(truth(), integer(Uint8Array.of(pathLength)));
  return extension('basicConstraints', true, value);
}

export function keyUsage(usages: readonly KeyUsage[]): Der {
  const positions = usages.map((usage) => KEY_USAGE_BITS.indexOf(usage));
  const length = Math.max(...positions) + 1;
  const bytes = new Uint8Array(Math.ceil(length / 8));
  for (const position of positions) {
    const index = position >> 3;
    bytes[index] = (bytes[index] ?? 0) | (0x80 >> (position & 7));
  }
  // DER: a list of named bits ends with its last one that is set.
  return extension('keyUsage', true, bits(bytes, bytes.length * 8 - length));
}

export function extendedKeyUsage(usages: readonly Usage[]): Der {
  return extension('extendedKeyUsage', false, sequence(...usages.map((usage) => oid(USAGE_OIDS[usage]))));
}

/** GeneralName: dNSName is [2], iPAddress is [7] (RFC 5280 section 4.2.1.6). */
export function subjectAltName({ dns, addresses }: Names): Der {
  const names = [
    ...dns.map((name) => tagged(2, Buffer.from(name, 'ascii'))),
    ...addresses.map((address) => tagged(7, ipv4ToBytes(address))),
  ];
  return extension('subjectAltName', false, sequence(...names));
}

export function subjectKeyIdentifier(identifier: Uint8Array): Der {
  return extension('subjectKeyIdentifier', false, octets(identifier));
}

export function authorityKeyIdentifier(identifier: Uint8Array): Der {
  return extension('authorityKeyIdentifier', false, sequence(tagged(0, identifier)));
}

/** The kind that all use: SHA-1 of the key's bits, as a name and not for safety (RFC 5280 section 4.2.1.2, method 1). */
export function keyIdentifier(publicKey: KeyObject): Buffer {
  const [, keyBits] = partsOf(encodedKey(publicKey), 'a public key');
  return createHash('sha1').update(bitsOf(keyBits, 'a public key').bytes).digest();
}

/** SubjectPublicKeyInfo. */
export const encodedKey = (publicKey: KeyObject): Der => decodeDer(keyAsDer(publicKey));

/** As DER. A certificate needs it three times, and OpenSSL takes as long to encode a key as to sign with one. */
export function keyAsDer(publicKey: KeyObject): Buffer {
  const known = encoded.get(publicKey);
  if (known !== undefined) return known;
  const der = publicKey.export({ type: 'spki', format: 'der' });
  encoded.set(publicKey, der);
  return der;
}

const encoded = new WeakMap<KeyObject, Buffer>();

/** The extensions of a certificate, behind its key in TBSCertificate. */
export const extensionList = (extensions: readonly Der[]): Der => wrapped(3, sequence(...extensions));
