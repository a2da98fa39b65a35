/**
 * A text as a URL of its own (RFC 2397), with every character literal that may be: what stands in a configuration
 * should be legible. `#` and `?` would end it for Go's parser, which Ignition reads it with. Undefined where the text
 * is no Unicode (half of a surrogate pair).
 */
export function textDataUrl(text: string): string | undefined {
  if (!text.isWellFormed()) return undefined;
  return `data:,${encodeURI(text).replace(/[#?]/g, (character) => (character === '#' ? '%23' : '%3F'))}`;
}

/** Bytes that are base64 already. */
export function base64DataUrl(base64: string): string {
  return `data:;base64,${base64.replace(/\s/g, '')}`;
}

/** What a data URL holds, or undefined if it is none. */
export function readDataUrl(url: string): Buffer | undefined {
  const match = /^data:([A-Za-z0-9.+/-]*(?:;[^;,=]+=[^;,]*)*)(;base64)?,(.*)$/s.exec(url);
  if (match === null) return undefined;
  const [, , base64, body = ''] = match;
  if (/%(?![0-9A-Fa-f]{2})/.test(body)) return undefined;
  if (base64 === undefined) {
    const bytes: Buffer[] = [];
    for (const [part] of body.matchAll(/%[0-9A-Fa-f]{2}|[^%]+/g)) {
      bytes.push(part.startsWith('%') ? Buffer.from(part.slice(1), 'hex') : Buffer.from(part, 'utf8'));
    }
    return Buffer.concat(bytes);
  }
  const plain = body.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return isBase64(plain) ? Buffer.from(plain, 'base64') : undefined;
}

/** Padded, in the common alphabet; line breaks between the groups are no mistake. */
export function isBase64(text: string): boolean {
  const plain = text.replace(/\s/g, '');
  return plain.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(plain);
}
