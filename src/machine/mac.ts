/** A hardware address in the one spelling used everywhere: lower case, colons (`52:54:00:12:34:56`). */
export type Mac = string & { readonly __brand: 'Mac' };

/** Reads `52:54:00:12:34:56`, `52-54-00-12-34-56`, `5254.0012.3456` or `525400123456`; undefined if it is none. */
export function parseMac(text: string): Mac | undefined {
  // As it is written everywhere here: nothing is to be done.
  if (/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/.test(text)) return text as Mac;
  const trimmed = text.trim().toLowerCase();
  const shaped =
    /^([0-9a-f]{2}([:-]))([0-9a-f]{2}\2){4}[0-9a-f]{2}$/.test(trimmed) ||
    /^([0-9a-f]{4}\.){2}[0-9a-f]{4}$/.test(trimmed) ||
    /^[0-9a-f]{12}$/.test(trimmed);
  if (!shaped) return undefined;
  const digits = trimmed.replace(/[:.-]/g, '');
  return (digits.match(/../g) as string[]).join(':') as Mac;
}

/** Six bytes at `at`: the first of a DHCP `chaddr`. Throws a RangeError on fewer than six. */
export function macFromBytes(bytes: Uint8Array, at = 0): Mac {
  if (bytes.length < at + 6) throw new RangeError(`a MAC has 6 bytes, not ${bytes.length - at}`);
  // One packet asks for it a dozen times, and the same string is found sooner in a map than one that is only equal.
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  const low =
    ((bytes[at + 2] as number) << 24) |
    ((bytes[at + 3] as number) << 16) |
    ((bytes[at + 4] as number) << 8) |
    (bytes[at + 5] as number);
  const place = (low ^ (low >>> 11) ^ high) & (REMEMBERED - 1);
  const known = recent[place];
  if (known !== undefined && recentHigh[place] === high && recentLow[place] === low) return known;
  const mac = spell(bytes.subarray(at, at + 6));
  recent[place] = mac;
  recentHigh[place] = high;
  recentLow[place] = low;
  return mac;
}

/** Of as many machines as may be in the middle of something; others are spelled anew. */
const REMEMBERED = 1024;
const recent: (Mac | undefined)[] = Array.from({ length: REMEMBERED }, () => undefined);
const recentHigh = new Int32Array(REMEMBERED);
const recentLow = new Int32Array(REMEMBERED);

/** Characters, since pieces joined cost five times as much. */
function spell(bytes: Uint8Array): Mac {
  return String.fromCharCode(
    upper(bytes[0]),
    lower(bytes[0]),
    COLON,
    upper(bytes[1]),
    lower(bytes[1]),
    COLON,
    upper(bytes[2]),
    lower(bytes[2]),
    COLON,
    upper(bytes[3]),
    lower(bytes[3]),
    COLON,
    upper(bytes[4]),
    lower(bytes[4]),
    COLON,
    upper(bytes[5]),
    lower(bytes[5]),
  ) as Mac;
}

const COLON = 0x3a;

function upper(byte: number | undefined): number {
  return digit((byte ?? 0) >> 4);
}

function lower(byte: number | undefined): number {
  return digit((byte ?? 0) & 15);
}

/** The character of a hexadecimal digit: 0 to 9, a to f. */
function digit(value: number): number {
  return value < 10 ? 0x30 + value : 0x57 + value;
}

/** Writes its six bytes at `at`. */
export function writeMac(mac: Mac, bytes: Uint8Array, at: number): void {
  for (let index = 0; index < 6; index++)
    bytes[at + index] = (valueOf(mac.charCodeAt(3 * index)) << 4) | valueOf(mac.charCodeAt(3 * index + 1));
}

/** Of a hexadecimal digit's character. */
function valueOf(character: number): number {
  return character < 0x3a ? character - 0x30 : character - 0x57;
}

/** Six bytes, network order. */
export function macToBytes(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(':'), (pair) => Number.parseInt(pair, 16));
}
