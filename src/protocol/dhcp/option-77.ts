import { latin1FromBytes, latin1ToBytes, latin1WithoutTrailingNuls } from './latin1.ts';

/*
 * User class. RFC 3004 has one or more counted instances:
 *
 *   +-----+----------+-----+----------+
 *   | len | class    | len | class    |
 *   +-----+----------+-----+----------+
 *
 * iPXE (and Microsoft's client) send the bare text instead: `iPXE`, 4 bytes.
 */

/**
 * The classes, whichever way they are written; none for an empty option. Counted only if the counts fit the value
 * exactly and none is zero, else the whole is one class: the count that `i` (105) would be never fits `iPXE`.
 */
export function decodeUserClass(bytes: Uint8Array): readonly string[] {
  const counted = decodeCounted(bytes);
  if (counted !== undefined) return counted;
  const text = latin1WithoutTrailingNuls(bytes);
  return text === '' ? [] : [text];
}

function decodeCounted(bytes: Uint8Array): readonly string[] | undefined {
  const classes: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = bytes[at] as number;
    if (length === 0 || at + 1 + length > bytes.length) return undefined;
    classes.push(latin1FromBytes(bytes, at + 1, at + 1 + length));
    at += 1 + length;
  }
  return classes;
}

/** RFC 3004's counted form. Throws a RangeError on a class of 0 or above 255 characters. */
export function encodeUserClasses(classes: readonly string[]): Uint8Array {
  for (const name of classes) {
    if (name.length === 0 || name.length > 255)
      throw new RangeError(`a user class has 1–255 characters: '${name}'`);
  }
  return latin1ToBytes(classes.map((name) => String.fromCharCode(name.length) + name).join(''));
}

/** As iPXE sends it: bare text. */
export function encodeRawUserClass(name: string): Uint8Array {
  return latin1ToBytes(name);
}
