/** A hardware address in the one spelling used everywhere: lower case, colons (`52:54:00:12:34:56`). */
export type Mac = string & { readonly __brand: 'Mac' };

/** Reads `52:54:00:12:34:56`, `52-54-00-12-34-56`, `5254.0012.3456` or `525400123456`; undefined if it is none. */
export function parseMac(text: string): Mac | undefined {
  const trimmed = text.trim().toLowerCase();
  const shaped =
    /^([0-9a-f]{2}([:-]))([0-9a-f]{2}\2){4}[0-9a-f]{2}$/.test(trimmed) ||
    /^([0-9a-f]{4}\.){2}[0-9a-f]{4}$/.test(trimmed) ||
    /^[0-9a-f]{12}$/.test(trimmed);
  if (!shaped) return undefined;
  const digits = trimmed.replace(/[:.-]/g, '');
  return (digits.match(/../g) as string[]).join(':') as Mac;
}

/** The first six bytes of a DHCP `chaddr`. Throws a RangeError on fewer than six. */
export function macFromBytes(bytes: Uint8Array): Mac {
  if (bytes.length < 6) throw new RangeError(`a MAC has 6 bytes, not ${bytes.length}`);
  return Array.from(bytes.subarray(0, 6), (byte) => byte.toString(16).padStart(2, '0')).join(':') as Mac;
}

/** Six bytes, network order. */
export function macToBytes(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(':'), (pair) => Number.parseInt(pair, 16));
}
