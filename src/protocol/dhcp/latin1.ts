/**
 * Text in DHCP is bytes without a declared encoding. Latin-1 maps every byte to one character and back, so nothing is
 * lost and nothing throws; TextDecoder's `latin1` is windows-1252 and does lose bytes.
 */
export function latin1FromBytes(bytes: Uint8Array, start = 0, end = bytes.length): string {
  if (start >= end) return '';
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', start, end);
}

/** Throws a RangeError on characters above U+00FF. */
export function latin1ToBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  writeLatin1(text, bytes, 0);
  return bytes;
}

/** Writes one byte a character at `offset`. Throws a RangeError on characters above U+00FF. */
export function writeLatin1(text: string, bytes: Uint8Array, offset: number): void {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code > 255) throw new RangeError(`DHCP text holds one byte a character, not '${text[index]}'`);
    bytes[offset + index] = code;
  }
}

/** Options' text without the trailing NULs that RFC 2132 section 2 tells receivers to delete. */
export function latin1WithoutTrailingNuls(bytes: Uint8Array): string {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return latin1FromBytes(bytes, 0, end);
}
