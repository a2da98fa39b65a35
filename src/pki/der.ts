import asn1 from 'node-forge/lib/asn1.js';

/** One element of DER (X.690), as node-forge keeps it: bytes are strings of characters 0–255. */
export type Der = ReturnType<typeof asn1.create>;

const { Class, Type } = asn1;
/** A request nests nine deep at most; a stack is not a stranger's to fill. */
const MAX_DEPTH = 32;

const binary = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** Throws an Error on what is no DER, or has bytes behind it. */
export function decodeDer(bytes: Uint8Array): Der {
  return asn1.fromDer(binary(bytes), {
    strict: true,
    parseAllBytes: true,
    // A signature that happens to look like DER stays a signature.
    decodeBitStrings: false,
    maxDepth: MAX_DEPTH,
  });
}

export function encodeDer(node: Der): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'latin1');
}

export const sequence = (...items: readonly Der[]): Der =>
  asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [...items]);

export const set = (...items: readonly Der[]): Der =>
  asn1.create(Class.UNIVERSAL, Type.SET, true, [...items]);

export const oid = (dotted: string): Der =>
  asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(dotted).getBytes());

/** Big-endian two's complement: a first byte above 127 makes it negative. */
export const integer = (bytes: Uint8Array): Der =>
  asn1.create(Class.UNIVERSAL, Type.INTEGER, false, binary(bytes));

export const utf8 = (text: string): Der =>
  asn1.create(Class.UNIVERSAL, Type.UTF8, false, binary(Buffer.from(text, 'utf8')));

export const octets = (bytes: Uint8Array): Der =>
  asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, binary(bytes));

/** `unused`: bits at the end of the last byte that do not count. */
export const bits = (bytes: Uint8Array, unused = 0): Der =>
  asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, binary(Uint8Array.of(unused, ...bytes)));

export const truth = (): Der => asn1.create(Class.UNIVERSAL, Type.BOOLEAN, false, '\u00ff');

export const nothing = (): Der => asn1.create(Class.UNIVERSAL, Type.NULL, false, '');

/** `[tag] IMPLICIT` of something primitive. */
export const tagged = (tag: number, bytes: Uint8Array): Der =>
  asn1.create(Class.CONTEXT_SPECIFIC, tag, false, binary(bytes));

/** `[tag] EXPLICIT`, or IMPLICIT of something that has parts. */
export const wrapped = (tag: number, ...items: readonly Der[]): Der =>
  asn1.create(Class.CONTEXT_SPECIFIC, tag, true, [...items]);

/** RFC 5280 section 4.1.2.5: UTCTime up to 2049, GeneralizedTime from then on. Whole seconds. */
export function time(ms: number): Der {
  const date = new Date(ms);
  return date.getUTCFullYear() < 2050
    ? asn1.create(Class.UNIVERSAL, Type.UTCTIME, false, asn1.dateToUtcTime(date))
    : asn1.create(Class.UNIVERSAL, Type.GENERALIZEDTIME, false, asn1.dateToGeneralizedTime(date));
}

/** The parts of a SEQUENCE; throws an Error on anything else. */
export function partsOf(node: Der | undefined, what: string): readonly Der[] {
  if (node === undefined || !isUniversal(node, Type.SEQUENCE)) throw new Error(`${what} is no sequence`);
  return childrenOf(node, what);
}

/** The members of a SET; throws an Error on anything else. */
export function membersOf(node: Der | undefined, what: string): readonly Der[] {
  if (node === undefined || !isUniversal(node, Type.SET)) throw new Error(`${what} is no set`);
  return childrenOf(node, what);
}

/** What `[tag]` wraps; throws an Error on anything else. */
export function unwrap(node: Der | undefined, tag: number, what: string): readonly Der[] {
  if (node === undefined || !isTagged(node, tag)) throw new Error(`${what} has another tag than [${tag}]`);
  return childrenOf(node, what);
}

function childrenOf(node: Der, what: string): readonly Der[] {
  if (!node.constructed || !Array.isArray(node.value)) throw new Error(`${what} is not made of parts`);
  return node.value;
}

/** The content of a primitive element; throws an Error if it has parts. */
export function bytesOf(node: Der | undefined, what: string): Buffer {
  if (node === undefined || node.constructed || typeof node.value !== 'string') {
    throw new Error(`${what} is missing or not a plain value`);
  }
  return Buffer.from(node.value, 'latin1');
}

export function oidOf(node: Der | undefined, what: string): string {
  if (node === undefined || !isUniversal(node, Type.OID)) throw new Error(`${what} is no object identifier`);
  const bytes = bytesOf(node, what);
  if (bytes.length === 0) throw new Error(`${what} is an empty object identifier`);
  return asn1.derToOid(binary(bytes));
}

/** The bytes of a BIT STRING, and how many bits at their end do not count. */
export function bitsOf(node: Der | undefined, what: string): { bytes: Buffer; unused: number } {
  if (node === undefined || !isUniversal(node, Type.BITSTRING)) throw new Error(`${what} is no bit string`);
  const [unused = 8, ...bytes] = bytesOf(node, what);
  if (unused > 7) throw new Error(`${what} is a broken bit string`);
  return { bytes: Buffer.from(bytes), unused };
}

export function octetsOf(node: Der | undefined, what: string): Buffer {
  if (node === undefined || !isUniversal(node, Type.OCTETSTRING))
    throw new Error(`${what} is no octet string`);
  return bytesOf(node, what);
}

/** UTF8String, PrintableString or IA5String; older kinds of text throw an Error. */
export function textOf(node: Der | undefined, what: string): string {
  const plain = [Type.UTF8, Type.PRINTABLESTRING, Type.IA5STRING];
  if (node === undefined || !plain.some((type) => isUniversal(node, type))) {
    throw new Error(`${what} is no UTF8String, PrintableString or IA5String`);
  }
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytesOf(node, what));
}

export const isTagged = (node: Der | undefined, tag: number): boolean =>
  // A tag in a context of its own means nothing of what forge's names for types say.

  node !== undefined && node.tagClass === Class.CONTEXT_SPECIFIC && (node.type as number) === tag;

export const isOid = (node: Der | undefined): boolean => node !== undefined && isUniversal(node, Type.OID);

export const isTruth = (node: Der | undefined): boolean =>
  node !== undefined && isUniversal(node, Type.BOOLEAN);

function isUniversal(node: Der, type: Der['type']): boolean {
  return node.tagClass === Class.UNIVERSAL && node.type === type;
}
