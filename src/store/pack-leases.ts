import type { Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import type { Lease } from './port.ts';

/** Leases one after the other, each as address, MAC, state, end, interface, name or null. */
export type PackedLeases = readonly (number | string | null)[];

const FIELDS = 6;

/** For the way to another thread: an object's names would be written out for each lease, and read again. */
export function packLeases(leases: readonly Lease[]): PackedLeases {
  const packed: (number | string | null)[] = [];
  for (const { address, mac, state, expiresAt, via, hostname = null } of leases)
    packed.push(address, mac, state, expiresAt, via, hostname);
  return packed;
}

export function unpackLeases(packed: PackedLeases): Lease[] {
  const leases: Lease[] = [];
  for (let at = 0; at < packed.length; at += FIELDS) {
    const hostname = packed[at + 5] as string | null;
    const lease = {
      address: packed[at] as Ipv4,
      mac: packed[at + 1] as Mac,
      state: packed[at + 2] as Lease['state'],
      expiresAt: packed[at + 3] as number,
      via: packed[at + 4] as string,
    };
    leases.push(hostname === null ? lease : { ...lease, hostname });
  }
  return leases;
}
