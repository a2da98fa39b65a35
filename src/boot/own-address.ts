import { TinderboxError } from '../errors.ts';
import { formatIpv4, type Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';

export interface AddressClaims {
  readonly mac: Mac;
  /** What machines.yaml reserves to it. */
  readonly reserved: Ipv4 | undefined;
  /** Where it asks from. */
  readonly remote: Ipv4 | undefined;
  /** To whom machines.yaml reserves an address. */
  readonly reservedFor: (address: Ipv4) => Mac | undefined;
  /** Whom this DHCP server has bound it to. */
  readonly leasedTo: (address: Ipv4) => Mac | undefined;
  /** Whose boot is under way, or whose Node is Ready, from it. */
  readonly usedBy: (address: Ipv4) => Mac | undefined;
}

/**
 * The address that a machine's certificates may hold: the one that it is to have, else the one that it asks from, since
 * nothing else tells it. Anybody can take an address, so that it must be nobody else's; our own lease outweighs a boot
 * of before. Throws TinderboxError `refused` with the MACs of both.
 */
export function ownAddress(claims: AddressClaims): Ipv4 | undefined {
  const { mac, reserved, remote, reservedFor, leasedTo, usedBy } = claims;
  if (reserved !== undefined || remote === undefined) return reserved;
  const owner = reservedFor(remote);
  if (owner !== undefined && owner !== mac) {
    throw new TinderboxError(
      'refused',
      `${mac} asks from ${formatIpv4(remote)}, which machines.yaml reserves to ${owner}`,
      { remedy: `Find out why it has that address, or give ${mac} an \`address:\` of its own.` },
    );
  }
  const user = leasedTo(remote) === mac ? undefined : usedBy(remote);
  if (user !== undefined && user !== mac) {
    throw new TinderboxError(
      'refused',
      `${mac} asks from ${formatIpv4(remote)}, from where ${user} booted and still is`,
      {
        remedy: `Give ${mac} an \`address:\` in machines.yaml; if ${user} is gone: tinderbox forget ${user}.`,
      },
    );
  }
  return remote;
}
