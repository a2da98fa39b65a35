import type { Ipv4 } from '../machine/ipv4.ts';
import { macFromBytes, writeMac } from '../machine/mac.ts';
import type { Lease } from './port.ts';

/**
 * Leases for the way to another thread: an object's names, and each value, would be written out for each of them and read
 * again.
 */
export interface PackedLeases {
  /**
   * One after the other:
   *
   *   end (8) | address (4) | interface (4) | name (4) | MAC (6) | state (1) | unused (1)
   *
   * Interface and name are places in `texts`; the name may be absent, NONE.
   */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly texts: readonly string[];
}

const SIZE = 28;
const NONE = 0xffffffff;
const STATES = ['bound', 'released', 'declined'] as const satisfies readonly Lease['state'][];

export function packLeases(leases: readonly Lease[]): PackedLeases {
  const bytes = new Uint8Array(leases.length * SIZE);
  const view = new DataView(bytes.buffer);
  const texts: string[] = [];
  let via = NONE;
  let at = 0;
  for (const lease of leases) {
    // The same for most.
    if (texts[via] !== lease.via) via = texts.push(lease.via) - 1;
    view.setFloat64(at, lease.expiresAt);
    view.setUint32(at + 8, lease.address);
    view.setUint32(at + 12, via);
    view.setUint32(at + 16, lease.hostname === undefined ? NONE : texts.push(lease.hostname) - 1);
    writeMac(lease.mac, bytes, at + 20);
    view.setUint8(at + 26, STATES.indexOf(lease.state));
    at += SIZE;
  }
  return { bytes, texts };
}

export function unpackLeases({ bytes, texts }: PackedLeases): Lease[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const leases: Lease[] = [];
  for (let at = 0; at < bytes.length; at += SIZE) {
    const hostname = texts[view.getUint32(at + 16)];
    const lease = {
      address: view.getUint32(at + 8) as Ipv4,
      mac: macFromBytes(bytes, at + 20),
      state: STATES[view.getUint8(at + 26)] as Lease['state'],
      expiresAt: view.getFloat64(at),
      via: texts[view.getUint32(at + 12)] as string,
    };
    leases.push(hostname === undefined ? lease : { ...lease, hostname });
  }
  return leases;
}
