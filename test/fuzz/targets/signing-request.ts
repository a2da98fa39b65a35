import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { TinderboxError } from '../../../src/errors.ts';
import { findExcess, refuseExcess } from '../../../src/pki/check-request.ts';
import {
  bits,
  type Der,
  decodeDer,
  encodeDer,
  integer,
  octets,
  oid,
  sequence,
  set,
  tagged,
  truth,
  utf8,
  wrapped,
} from '../../../src/pki/der.ts';
import { encodedKey } from '../../../src/pki/encode-extensions.ts';
import {
  EXTENSION_OIDS,
  EXTENSION_REQUEST_OID,
  NAME_OIDS,
  SIGNATURE_SCHEMES,
  USAGE_OIDS,
} from '../../../src/pki/object-identifiers.ts';
import { writePem } from '../../../src/pki/pem.ts';
import { readRequest, type SigningRequest } from '../../../src/pki/read-request.ts';
import { entitlement } from '../../pki/support/make-cluster.ts';
import { bytesOf, textOf } from '../engine/mutate-text.ts';
import { type FuzzTarget, hold } from '../engine/target.ts';
import { derMutators } from '../formats/der-trees.ts';
import { isPrintable } from '../formats/printable.ts';

/** The base point of P-256, whose private key is 1: a key that keeps no secret, and inputs that stay the same. */
const POINT = {
  kty: 'EC',
  crv: 'P-256',
  d: Buffer.from('01'.padStart(64, '0'), 'hex').toString('base64url'),
  x: Buffer.from('6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296', 'hex').toString(
    'base64url',
  ),
  y: Buffer.from('4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5', 'hex').toString(
    'base64url',
  ),
} as const;
const PRIVATE = createPrivateKey({ key: POINT, format: 'jwk' });
const KEY = encodedKey(createPublicKey(PRIVATE));
const SCHEME = sequence(oid(SIGNATURE_SCHEMES[3]?.oid ?? ''));
const ENTITLEMENT = entitlement('node');

const AS_IT_IS = 0;
const SIGNED_AGAIN = 1;
const PEM = 2;

const extension = (type: string, value: Der): Der => sequence(oid(type), octets(encodeDer(value)));

function request(subject: readonly (readonly [string, string])[], extensions: readonly Der[]): Uint8Array {
  const name = sequence(...subject.map(([type, text]) => set(sequence(oid(type), utf8(text)))));
  const attributes =
    extensions.length === 0 ? [] : [sequence(oid(EXTENSION_REQUEST_OID), set(sequence(...extensions)))];
  const info = sequence(integer(Uint8Array.of(0)), name, KEY, wrapped(0, ...attributes));
  return encodeDer(sequence(info, SCHEME, bits(new Uint8Array(70))));
}

/** A byte: DER as it is, DER with a key and a signature that hold, or PEM. */
export const target: FuzzTarget = {
  what: 'a signing request of a machine: read, its signature checked, held against what the machine may have',
  aims: [
    'pki/read-request.ts',
    'pki/check-request.ts',
    'pki/read-extensions.ts',
    'pki/der.ts',
    'pki/pem.ts',
    'pki/describe-key.ts',
  ],
  maxLength: 4_096,
  seeds: () => {
    const plain = request([], []);
    const full = request(
      [
        [NAME_OIDS.organization, 'system:nodes'],
        [NAME_OIDS.commonName, 'system:node:node-1'],
      ],
      [
        extension(EXTENSION_OIDS.keyUsage, bits(Uint8Array.of(0xa6), 1)),
        extension(EXTENSION_OIDS.extendedKeyUsage, sequence(oid(USAGE_OIDS.client), oid(USAGE_OIDS.any))),
        extension(EXTENSION_OIDS.basicConstraints, sequence(truth(), integer(Uint8Array.of(1)))),
        extension(
          EXTENSION_OIDS.subjectAltName,
          sequence(
            tagged(2, bytesOf('Node-1')),
            tagged(7, Uint8Array.of(10, 77, 0, 20)),
            tagged(7, new Uint8Array(16)),
            tagged(1, bytesOf('a@b')),
            tagged(6, bytesOf('https://x/')),
          ),
        ),
        extension(EXTENSION_OIDS.subjectKeyIdentifier, octets(Uint8Array.of(1, 2, 3))),
      ],
    );
    return [
      ...[plain, full].flatMap((der) => [
        Uint8Array.of(AS_IT_IS, ...der),
        Uint8Array.of(SIGNED_AGAIN, ...der),
      ]),
      Uint8Array.of(PEM, ...bytesOf(writePem('CERTIFICATE REQUEST', full))),
    ];
  },
  mutators: derMutators(1, [
    ...Object.values(EXTENSION_OIDS).map((type) => encodeDer(oid(type)).subarray(2)),
    ...Object.values(USAGE_OIDS).map((type) => encodeDer(oid(type)).subarray(2)),
    ...['node-1', 'system:masters', '\u001b[2J', 'a\nb', '*.example.org', ''].map(bytesOf),
    Uint8Array.of(0),
    Uint8Array.of(255),
    Uint8Array.of(0x80),
    new Uint8Array(300).fill(0x81),
  ]),
  dictionary: [
    '-----BEGIN CERTIFICATE REQUEST-----\n',
    '-----END CERTIFICATE REQUEST-----\n',
    '-----BEGIN PRIVATE KEY-----\n',
    'Proc-Type: 4,ENCRYPTED\n',
    '=',
  ],
  async run(input) {
    const [how = 0, ...rest] = input;
    const bytes = Uint8Array.from(rest);
    const kind = how % 3;
    const pem =
      kind === PEM
        ? textOf(bytes)
        : writePem('CERTIFICATE REQUEST', kind === SIGNED_AGAIN ? signedAgain(bytes) : bytes);
    let read: SigningRequest;
    try {
      read = await readRequest(pem);
    } catch (error) {
      if (!(error instanceof TinderboxError)) throw error;
      return refusedWell(error);
    }
    hold(read.publicKey.type === 'public', 'a key that is not public');
    const excess = findExcess(read, ENTITLEMENT);
    try {
      refuseExcess(read, ENTITLEMENT);
      hold(excess.length === 0, 'what is too much was let through');
    } catch (error) {
      if (!(error instanceof TinderboxError)) throw error;
      hold(excess.length > 0, 'it is refused for nothing');
      refusedWell(error);
    }
  },
};

function refusedWell({ code, message }: TinderboxError): void {
  hold(code === 'malformed-packet' || code === 'refused', () => `a request is refused as ${code}`);
  hold(
    isPrintable(message) && message.length < 1_500,
    () => `message of ${message.length}: ${JSON.stringify(message.slice(0, 400))}`,
  );
}

/** With our key in the third place of what is signed, and our signature over it; as it was where it is no request. */
function signedAgain(bytes: Uint8Array): Uint8Array {
  try {
    const root = decodeDer(bytes);
    const [info] = root.value as unknown as Der[];
    if (info === undefined || !Array.isArray(info.value)) return bytes;
    const parts = [...info.value];
    if (parts.length < 3) return bytes;
    parts[2] = KEY;
    const signed = sequence(...parts);
    return encodeDer(sequence(signed, SCHEME, bits(sign('sha256', encodeDer(signed), PRIVATE))));
  } catch {
    return bytes;
  }
}
