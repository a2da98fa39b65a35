import { bitsOf, bytesOf, type Der, decodeDer, isTruth, octetsOf, oidOf, partsOf } from './der.ts';
import { KEY_USAGE_BITS, type KeyUsage } from './object-identifiers.ts';

export interface Extension {
  readonly oid: string;
  readonly value: Der;
}

/** Extensions ::= SEQUENCE OF Extension, in a certificate or a request. Throws an Error if it is none or one is there twice. */
export function readExtensions(list: Der): readonly Extension[] {
  const extensions = partsOf(list, 'the extensions').map((extension) => {
    const [type, ...rest] = partsOf(extension, 'an extension');
    const content = rest.at(-1);
    return {
      oid: oidOf(type, 'an extension'),
      value: decodeDer(octetsOf(content, 'the content of an extension')),
    };
  });
  const kinds = new Set(extensions.map(({ oid }) => oid));
  if (kinds.size !== extensions.length) throw new Error('an extension is there twice');
  return extensions;
}

export function readKeyUsage(value: Der): readonly KeyUsage[] {
  const { bytes } = bitsOf(value, 'keyUsage');
  return KEY_USAGE_BITS.filter((_, at) => ((bytes[at >> 3] ?? 0) & (0x80 >> (at & 7))) !== 0);
}

export function readExtendedKeyUsage(value: Der): readonly string[] {
  return partsOf(value, 'extendedKeyUsage').map((usage) => oidOf(usage, 'extendedKeyUsage'));
}

/** `pathLength` is absent where it is not limited. */
export function readBasicConstraints(value: Der): { isAuthority: boolean; pathLength?: number } {
  const parts = partsOf(value, 'basicConstraints');
  const [first] = parts;
  const isAuthority = isTruth(first) && bytesOf(first, 'basicConstraints').some((byte) => byte !== 0);
  const length = isTruth(first) ? parts[1] : first;
  if (length === undefined) return { isAuthority };
  return { isAuthority, pathLength: bytesOf(length, 'pathLenConstraint').readUIntBE(0, 1) };
}
