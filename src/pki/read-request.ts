import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { isIP } from 'node:net';
import { TinderboxError } from '../errors.ts';
import { type Ipv4, ipv4FromBytes } from '../machine/ipv4.ts';
import {
  bitsOf,
  bytesOf,
  type Der,
  decodeDer,
  encodeDer,
  isTagged,
  membersOf,
  oidOf,
  partsOf,
  textOf,
  unwrap,
} from './der.ts';
import { findKeyWeakness } from './describe-key.ts';
import { EXTENSION_REQUEST_OID, SIGNATURE_SCHEMES } from './object-identifiers.ts';
import { readPem } from './pem.ts';
import { type Extension, readExtensions } from './read-extensions.ts';

/** What a signing request asks for. Texts are a stranger's. */
export interface SigningRequest {
  readonly publicKey: KeyObject;
  /** Attributes of the subject, in order: object identifier and text. */
  readonly subject: readonly { readonly type: string; readonly text: string }[];
  /** Of subjectAltName; lower case. */
  readonly dns: readonly string[];
  readonly addresses: readonly Ipv4[];
  /** Names of a kind that is never given, in words. */
  readonly otherNames: readonly string[];
  /** The other extensions. */
  readonly extensions: readonly Extension[];
}

/** With RSA 8192 and a handful of names it is 3 KiB. */
export const MAX_REQUEST_BYTES = 16 * 1024;
const SUBJECT_ALT_NAME = '2.5.29.17';

/**
 * Reads a PKCS #10 request (RFC 2986) and checks that its sender has the key. Throws TinderboxError: `malformed-packet`
 * if it is no such thing; `refused` if its key is too weak or the signature is not the key's.
 */
export async function readRequest(pem: string): Promise<SigningRequest> {
  const der = requestBytes(pem);
  let parts: ReturnType<typeof splitRequest>;
  let request: SigningRequest;
  try {
    parts = splitRequest(decodeDer(der));
    request = readInfo(parts.info);
  } catch (cause) {
    throw malformed(`it is no PKCS #10 request: ${(cause as Error).message}`, cause);
  }
  const weakness = findKeyWeakness(request.publicKey);
  if (weakness !== undefined) throw refused(weakness);
  const scheme = SIGNATURE_SCHEMES.find(({ oid }) => oid === parts.algorithm);
  if (scheme === undefined || scheme.keyType !== request.publicKey.asymmetricKeyType) {
    throw refused(`it is signed with ${parts.algorithm}; use SHA-256 with RSA or ECDSA`);
  }
  if (!(await verifyBytes(scheme.hash, encodeDer(parts.info), request.publicKey, parts.signature))) {
    throw refused('its signature was not made with its key, or it was changed on the way');
  }
  return request;
}

function requestBytes(pem: string): Buffer {
  // In characters, that are bytes at most.
  if (pem.length > MAX_REQUEST_BYTES) throw malformed(`it has more than ${MAX_REQUEST_BYTES} bytes`);
  let blocks: ReturnType<typeof readPem>;
  try {
    blocks = readPem(pem);
  } catch (cause) {
    throw malformed((cause as Error).message, cause);
  }
  if (blocks.some(({ label }) => label.endsWith('PRIVATE KEY'))) {
    throw refused('it holds a private key, which must not leave the machine');
  }
  const [block, ...more] = blocks;
  // What Netscape called it; some tools still do.
  const isRequest = block?.label === 'CERTIFICATE REQUEST' || block?.label === 'NEW CERTIFICATE REQUEST';
  if (block === undefined || !isRequest || more.length > 0) {
    throw malformed('it is not one block BEGIN CERTIFICATE REQUEST in PEM');
  }
  return block.der;
}

/** CertificationRequest ::= SEQUENCE { certificationRequestInfo, signatureAlgorithm, signature BIT STRING } */
function splitRequest(root: Der): { info: Der; algorithm: string; signature: Buffer } {
  const [info, algorithm, signature, ...rest] = partsOf(root, 'the request');
  if (info === undefined || rest.length > 0) throw new Error('the request has not three parts');
  const [type] = partsOf(algorithm, 'the signature algorithm');
  const { bytes, unused } = bitsOf(signature, 'the signature');
  if (unused !== 0) throw new Error('the signature is not made of bytes');
  return {
    info,
    algorithm: oidOf(type, 'the signature algorithm'),
    signature: bytes,
  };
}

/** CertificationRequestInfo ::= SEQUENCE { version, subject, subjectPKInfo, attributes [0] } */
function readInfo(info: Der): SigningRequest {
  const [version, subject, key, attributes] = partsOf(info, 'the request');
  if (!bytesOf(version, 'the version').equals(Uint8Array.of(0))) throw new Error('its version is not 1');
  if (key === undefined) throw new Error('it has no public key');
  const asked = attributes === undefined ? [] : requestedExtensions(attributes);
  const names = asked.find(({ oid }) => oid === SUBJECT_ALT_NAME);
  return {
    publicKey: createPublicKey({ key: encodeDer(key), format: 'der', type: 'spki' }),
    subject: readName(subject),
    ...readNames(names === undefined ? [] : partsOf(names.value, 'subjectAltName')),
    extensions: asked.filter(({ oid }) => oid !== SUBJECT_ALT_NAME),
  };
}

function readName(name: Der | undefined): SigningRequest['subject'] {
  return partsOf(name, 'the subject').flatMap((relative) =>
    membersOf(relative, 'the subject').map((attribute) => {
      const [type, text] = partsOf(attribute, 'the subject');
      return { type: oidOf(type, 'the subject'), text: textOf(text, 'the subject') };
    }),
  );
}

/** Other attributes (a challenge password) ask for nothing. */
function requestedExtensions(attributes: Der): readonly Extension[] {
  const lists = unwrap(attributes, 0, 'the attributes').flatMap((attribute) => {
    const [type, values] = partsOf(attribute, 'an attribute');
    return oidOf(type, 'an attribute') === EXTENSION_REQUEST_OID
      ? membersOf(values, 'the requested extensions')
      : [];
  });
  if (lists.length > 1) throw new Error('it asks for extensions twice');
  return lists.flatMap(readExtensions);
}

function readNames(names: readonly Der[]): Pick<SigningRequest, 'dns' | 'addresses' | 'otherNames'> {
  const dns: string[] = [];
  const addresses: Ipv4[] = [];
  const otherNames: string[] = [];
  for (const name of names) {
    if (isTagged(name, 2)) dns.push(bytesOf(name, 'a DNS name').toString('latin1').toLowerCase());
    else if (isTagged(name, 7)) {
      const bytes = bytesOf(name, 'an address');
      if (bytes.length === 4) addresses.push(ipv4FromBytes(bytes));
      else otherNames.push(describeAddress(bytes));
    } else if (isTagged(name, 1))
      otherNames.push(`email:${bytesOf(name, 'an email address').toString('latin1')}`);
    else if (isTagged(name, 6)) otherNames.push(`URI:${bytesOf(name, 'a URI').toString('latin1')}`);
    else otherNames.push('a name of another kind');
  }
  return { dns, addresses, otherNames };
}

function describeAddress(bytes: Buffer): string {
  const text = (bytes.toString('hex').match(/.{4}/g) ?? []).join(':');
  return isIP(text) === 6 ? `IPv6 ${text}` : `an address of ${bytes.length} bytes`;
}

function verifyBytes(hash: string, data: Buffer, key: KeyObject, signature: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    // A signature of the wrong shape is an error to OpenSSL; here it is just not the key's.
    verify(hash, data, key, signature, (error, valid) => resolve(error === null && valid));
  });
}

function malformed(why: string, cause?: unknown): TinderboxError {
  return new TinderboxError('malformed-packet', `the signing request cannot be read: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    remedy: 'Make it with: openssl req -new -newkey rsa:2048 -nodes -keyout KEY -subj /',
  });
}

function refused(why: string): TinderboxError {
  return new TinderboxError('refused', `the signing request is refused: ${why}`);
}
