/** Option names in lower case → values as text, in the order in which they came. */
export type TftpOptions = ReadonlyMap<string, string>;

// A BOM is a character of the name like any other; bytes that are not UTF-8 (0xff above all) become U+FFFD.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

/** Text up to its NUL or, where firmware forgot that, the packet's end; `next` is the offset behind it. */
export function readText(
  bytes: Uint8Array,
  offset: number,
): { readonly text: string; readonly next: number } {
  const nul = bytes.indexOf(0, offset);
  const end = nul === -1 ? bytes.length : nul;
  return { text: decoder.decode(bytes.subarray(offset, end)), next: end + 1 };
}

/** RFC 2347: name NUL value NUL, repeated. A name without a value ends the list; the first of a repeated name wins. */
export function readOptions(bytes: Uint8Array, offset: number): TftpOptions {
  const options = new Map<string, string>();
  let at = offset;
  while (at < bytes.length) {
    const name = readText(bytes, at);
    if (name.next >= bytes.length) break;
    const value = readText(bytes, name.next);
    at = value.next;
    // TFTP 1: option names in any letter case (RFC 2347). NULs that pad the packet are no options.
    const key = name.text.toLowerCase();
    if (key !== '' && !options.has(key)) options.set(key, value.text);
  }
  return options;
}

/** The opcode, then each text with its NUL. */
export function encodeTexts(opcode: number, texts: readonly string[]): Uint8Array {
  const body = encoder.encode(texts.map((text) => `${text}\0`).join(''));
  const bytes = new Uint8Array(2 + body.length);
  bytes.set([0, opcode]);
  bytes.set(body, 2);
  return bytes;
}
