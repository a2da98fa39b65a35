/*
 * Client machine identifier (RFC 4578 section 2.3): type 0 and the SMBIOS UUID.
 *
 *   +---+-------------+---------+---------+-------------------------------+
 *   | 0 | time-low  4 | mid   2 | hi    2 | clock and node, 8 as printed  |
 *   +---+-------------+---------+---------+-------------------------------+
 *
 * The first three fields are little-endian, as SMBIOS 2.6 and EFI store them. EDK2 copies the SMBIOS bytes; iPXE takes
 * the text that its ${uuid} prints and swaps the three fields back (`uuid_mangle` in its dhcp.c, which quotes
 * RFC 4578). So the text here equals ${uuid} and dmidecode's for both. It differs only on SMBIOS before 2.6, where
 * dmidecode prints the bytes unswapped while a vendor's ROM still sends them raw.
 */
const TYPE_GUID = 0;
const LENGTH = 17;

/** Where each printed byte stands in the option. */
const PRINTED_ORDER = [4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16] as const;

/**
 * Lower case, hyphens. Undefined unless it is type 0 with 17 bytes: some ROMs leave the option out or send 16 bytes,
 * and they boot all the same. A machine without SMBIOS settings has all zeros, which is no identity.
 */
export function decodeClientUuid(bytes: Uint8Array): string | undefined {
  if (bytes.length !== LENGTH || bytes[0] !== TYPE_GUID) return undefined;
  const digits = PRINTED_ORDER.map((at) => (bytes[at] as number).toString(16).padStart(2, '0')).join('');
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20),
  ].join('-');
}

/** Throws a RangeError on what is no UUID. */
export function encodeClientUuid(uuid: string): Uint8Array {
  if (!/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(uuid)) throw new RangeError(`no UUID: '${uuid}'`);
  const digits = uuid.replaceAll('-', '');
  const bytes = new Uint8Array(LENGTH);
  bytes[0] = TYPE_GUID;
  for (const [index, at] of PRINTED_ORDER.entries()) {
    bytes[at] = Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16);
  }
  return bytes;
}
