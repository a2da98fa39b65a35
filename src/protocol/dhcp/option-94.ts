/*
 * Client network interface (RFC 4578 section 2.2): always UNDI.
 *
 *   +------+-------+-------+
 *   | 1    | major | minor |
 *   +------+-------+-------+
 */
export interface ClientNetworkInterface {
  readonly major: number;
  readonly minor: number;
}

/** Undefined for anything but UNDI with its version; firmware errs here, and nobody is refused for it. */
export function decodeClientNetworkInterface(bytes: Uint8Array): ClientNetworkInterface | undefined {
  const [type, major, minor] = bytes;
  if (bytes.length !== 3 || type !== 1 || major === undefined || minor === undefined) return undefined;
  return { major, minor };
}

export function encodeClientNetworkInterface(version: ClientNetworkInterface): Uint8Array {
  return Uint8Array.of(1, version.major, version.minor);
}
