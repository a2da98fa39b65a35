/*
 * Client system architecture (RFC 4578 section 2.1): one or more numbers of two bytes, network order.
 *
 *   +-----+-----+-----+-----+
 *   | type 1    | type 2    | ...
 *   +-----+-----+-----+-----+
 */

/**
 * In the client's order of preference. Odd lengths are tolerated: a lone byte is its value, a byte left over after
 * whole numbers is dropped.
 */
export function decodeClientArchitectures(bytes: Uint8Array): readonly number[] {
  if (bytes.length === 1) return [bytes[0] as number];
  const architectures: number[] = [];
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    architectures.push(((bytes[at] as number) << 8) | (bytes[at + 1] as number));
  }
  return architectures;
}

export function encodeClientArchitectures(architectures: readonly number[]): Uint8Array {
  return Uint8Array.from(architectures.flatMap((code) => [(code >>> 8) & 255, code & 255]));
}
