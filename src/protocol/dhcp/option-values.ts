import { type Ipv4, ipv4FromBytes, ipv4ToBytes } from '../../machine/ipv4.ts';
import { latin1ToBytes, latin1WithoutTrailingNuls } from './latin1.ts';
import type { DhcpOptions } from './packet.ts';

/*
 * The plain shapes that most options share (RFC 2132): text, addresses, numbers in network order. Readers give
 * undefined for what is absent or has the wrong length: a client's odd option is no reason to refuse the client.
 */

/** Latin-1, without trailing NULs. */
export function readText(options: DhcpOptions, code: number): string | undefined {
  const value = options.get(code);
  return value === undefined ? undefined : latin1WithoutTrailingNuls(value);
}

export function readIpv4(options: DhcpOptions, code: number): Ipv4 | undefined {
  const value = options.get(code);
  return value?.length === 4 ? ipv4FromBytes(value) : undefined;
}

/** One or more addresses; undefined unless the length is a multiple of four. */
export function readIpv4List(options: DhcpOptions, code: number): readonly Ipv4[] | undefined {
  const value = options.get(code);
  if (value === undefined || value.length === 0 || value.length % 4 !== 0) return undefined;
  return Array.from({ length: value.length / 4 }, (_, index) => ipv4FromBytes(value, index * 4));
}

export function readUint8(options: DhcpOptions, code: number): number | undefined {
  return readUint(options, code, 1);
}

export function readUint16(options: DhcpOptions, code: number): number | undefined {
  return readUint(options, code, 2);
}

export function readUint32(options: DhcpOptions, code: number): number | undefined {
  return readUint(options, code, 4);
}

function readUint(options: DhcpOptions, code: number, size: number): number | undefined {
  const value = options.get(code);
  if (value?.length !== size) return undefined;
  return value.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** Throws a RangeError on characters above U+00FF. */
export function textValue(text: string): Uint8Array {
  return latin1ToBytes(text);
}

/** For option 67: some firmware reads on to a NUL, so there is one. */
export function textValueWithNul(text: string): Uint8Array {
  return latin1ToBytes(`${text}\0`);
}

export function ipv4Value(...addresses: readonly Ipv4[]): Uint8Array {
  if (addresses.length === 1) return ipv4ToBytes(addresses[0] as Ipv4);
  return Uint8Array.from(addresses.flatMap((address) => [...ipv4ToBytes(address)]));
}

export function uint8Value(value: number): Uint8Array {
  return Uint8Array.of(value);
}

export function uint16Value(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 255);
}

/** Option 51 and its like: seconds. */
export function uint32Value(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}
