import { type KeyObject, sign } from 'node:crypto';
import {
  bits,
  type Der,
  encodeDer,
  integer,
  nothing,
  oid,
  sequence,
  set,
  time,
  utf8,
  wrapped,
} from './der.ts';
import { encodedKey, extensionList } from './encode-extensions.ts';
import { NAME_OIDS, SIGNATURE_SCHEMES, type SignatureScheme } from './object-identifiers.ts';
import type { Subject } from './port.ts';

export interface CertificateFields {
  /** Up to 20 bytes, positive. */
  readonly serial: Uint8Array;
  readonly issuer: Der;
  readonly subject: Der;
  /** Milliseconds since the epoch; cut to seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Der[];
}

const VERSION_3 = 2;

/**
 * Makes an X.509 certificate (RFC 5280 section 4.1), as DER. The structure is node-forge's; the signature is OpenSSL's,
 * on the thread pool: node-forge's own takes tens of milliseconds of the event loop.
 */
export async function signCertificate(fields: CertificateFields, key: KeyObject): Promise<Buffer> {
  const scheme = schemeFor(key);
  const toBeSigned = sequence(
    wrapped(0, integer(Uint8Array.of(VERSION_3))),
    integer(fields.serial),
    algorithmOf(scheme),
    fields.issuer,
    sequence(time(fields.notBefore), time(fields.notAfter)),
    fields.subject,
    encodedKey(fields.publicKey),
    extensionList(fields.extensions),
  );
  const signature = await signBytes(scheme.hash, encodeDer(toBeSigned), key);
  return encodeDer(sequence(toBeSigned, algorithmOf(scheme), bits(signature)));
}

/** Organizations first, as most general names do; each attribute in a SET of its own. */
export function encodeSubject({ commonName, organizations }: Subject): Der {
  return sequence(
    ...organizations.map((text) => attribute(NAME_OIDS.organization, text)),
    attribute(NAME_OIDS.commonName, commonName),
  );
}

const attribute = (type: string, text: string): Der => set(sequence(oid(type), utf8(text)));

/** 126 random bits, behind 01: positive, never zero, and 16 bytes whatever chance says. */
export function makeSerial(random: (bytes: number) => Uint8Array): Uint8Array {
  const serial = Uint8Array.from(random(16));
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

function schemeFor(key: KeyObject): SignatureScheme {
  const hash = key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'sha384' : 'sha256';
  const found = SIGNATURE_SCHEMES.find(
    (scheme) => scheme.keyType === key.asymmetricKeyType && scheme.hash === hash,
  );
  if (found === undefined)
    throw new Error(`an authority cannot sign with a key of type ${key.asymmetricKeyType}`);
  return found;
}

/** RSA's has a NULL, ECDSA's has nothing (RFC 4055 section 5, RFC 5758 section 3.2). */
function algorithmOf({ oid: dotted, keyType }: SignatureScheme): Der {
  return keyType === 'rsa' ? sequence(oid(dotted), nothing()) : sequence(oid(dotted));
}

function signBytes(hash: string, data: Buffer, key: KeyObject): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign(hash, data, key, (error, signature) => (error === null ? resolve(signature) : reject(error)));
  });
}
