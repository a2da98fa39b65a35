/**
 * An IPv4 address as an unsigned 32-bit integer: cheap as a map key, impossible to mix up with text. Addresses are
 * a type of their own so that IPv6 can come without a search for strings.
 */
export type Ipv4 = number & { readonly __brand: 'Ipv4' };

export const UNSPECIFIED = 0 as Ipv4;
export const LIMITED_BROADCAST = 0xffffffff as Ipv4;

export interface Ipv4Network {
  /** The network's own address: host bits are zero. */
  readonly address: Ipv4;
  /** 0–32. */
  readonly prefix: number;
}

/** Both ends included. */
export interface Ipv4Range {
  readonly first: Ipv4;
  readonly last: Ipv4;
}

/** Dotted quad without leading zeros; undefined for anything else. */
export function parseIpv4(text: string): Ipv4 | undefined {
  const trimmed = text.trim();
  let address = 0;
  let byte = -1;
  let dots = 0;
  // By hand: this is asked for each packet.
  for (let at = 0; at < trimmed.length; at++) {
    const digit = trimmed.charCodeAt(at) - DIGIT_ZERO;
    if (digit === DOT - DIGIT_ZERO) {
      if (byte < 0 || ++dots > 3) return undefined;
      address = address * 256 + byte;
      byte = -1;
    } else if (digit < 0 || digit > 9 || byte === 0) return undefined;
    else byte = byte < 0 ? digit : byte * 10 + digit;
    if (byte > 255) return undefined;
  }
  return dots === 3 && byte >= 0 ? ((address * 256 + byte) as Ipv4) : undefined;
}

const DIGIT_ZERO = 0x30;
const DOT = 0x2e;

export function formatIpv4(address: Ipv4): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** Four bytes in network order, at `offset`. Throws a RangeError if they are not there. */
export function ipv4FromBytes(bytes: Uint8Array, offset = 0): Ipv4 {
  const a = bytes[offset];
  const b = bytes[offset + 1];
  const c = bytes[offset + 2];
  const d = bytes[offset + 3];
  if (a === undefined || b === undefined || c === undefined || d === undefined) {
    throw new RangeError(`an IPv4 address has 4 bytes, not ${bytes.length - offset}`);
  }
  return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) as Ipv4;
}

export function ipv4ToBytes(address: Ipv4): Uint8Array {
  return Uint8Array.of(address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255);
}

/** 24 → 255.255.255.0. */
export function netmask(prefix: number): Ipv4 {
  return (prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0) as Ipv4;
}

/** The network that holds `address`: host bits cleared. */
export function networkOf(address: Ipv4, prefix: number): Ipv4Network {
  return { address: ((address & netmask(prefix)) >>> 0) as Ipv4, prefix };
}

export function broadcastOf(network: Ipv4Network): Ipv4 {
  return ((network.address | ~netmask(network.prefix)) >>> 0) as Ipv4;
}

/** Reads `10.77.0.0/24`; undefined where the text is none or has host bits set. */
export function parseNetwork(text: string): Ipv4Network | undefined {
  const [addressText, prefixText, ...rest] = text.trim().split('/');
  if (rest.length > 0 || prefixText === undefined || !/^(\d|[12]\d|3[0-2])$/.test(prefixText))
    return undefined;
  const address = parseIpv4(addressText ?? '');
  if (address === undefined) return undefined;
  const network = networkOf(address, Number(prefixText));
  return network.address === address ? network : undefined;
}

export function formatNetwork(network: Ipv4Network): string {
  return `${formatIpv4(network.address)}/${network.prefix}`;
}

export function networkContains(network: Ipv4Network, address: Ipv4): boolean {
  return networkOf(address, network.prefix).address === network.address;
}

/** Reads `10.77.0.100-10.77.0.200`; undefined where an end is no address or the ends are the wrong way round. */
export function parseRange(text: string): Ipv4Range | undefined {
  const [firstText, lastText, ...rest] = text.split('-');
  if (firstText === undefined || lastText === undefined || rest.length > 0) return undefined;
  const first = parseIpv4(firstText);
  const last = parseIpv4(lastText);
  if (first === undefined || last === undefined || first > last) return undefined;
  return { first, last };
}

export function formatRange(range: Ipv4Range): string {
  return `${formatIpv4(range.first)}-${formatIpv4(range.last)}`;
}

export function rangeContains(range: Ipv4Range, address: Ipv4): boolean {
  return address >= range.first && address <= range.last;
}
