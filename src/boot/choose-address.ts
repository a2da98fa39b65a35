import { formatIpv4, formatNetwork, type Ipv4, type Ipv4Range, networkContains } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import { inRanges, isHostAddress, type Subnet } from './subnet.ts';

/** What must be known of leases to decide; the lease book offers it. */
export interface AddressView {
  /** The machine's own binding of a wanted address, also one that ended: it is asked for again. */
  leaseOf(
    mac: Mac,
    isWanted: (address: Ipv4) => boolean,
  ): { readonly address: Ipv4; readonly state: string; readonly expiresAt: number } | undefined;
  /** A wanted address that it was offered and may still ask for. */
  offerOf(mac: Mac, isWanted: (address: Ipv4) => boolean): { readonly address: Ipv4 } | undefined;
  /** Who holds an address now, by lease, offer or declination. */
  holderOf(address: Ipv4): { readonly mac: Mac; readonly state: string; readonly until: number } | undefined;
  freeAddress(
    ranges: readonly Ipv4Range[],
    isExcluded: (address: Ipv4) => boolean,
    now: number,
    preferred?: Ipv4,
  ): Ipv4 | undefined;
}

export interface AddressInput {
  readonly mac: Mac;
  readonly subnet: Subnet;
  /** `address:` of this machine in machines.yaml. */
  readonly reservation: Ipv4 | undefined;
  /** Option 50, or `ciaddr` of a client that has an address. */
  readonly requested: Ipv4 | undefined;
  /** Reservations of others and addresses of our own: never from the pool. */
  readonly isExcluded: (address: Ipv4) => boolean;
  readonly view: AddressView;
  readonly now: number;
  /** Leases may be unknown, since the database is new: what a machine says that it had is believed. */
  readonly isLearning?: boolean;
}

export type AddressDecision =
  | {
      readonly kind: 'give';
      readonly address: Ipv4;
      /** Believed, not known: it has to be looked whether somebody else uses it. */
      readonly unproven?: true;
      readonly reasons: readonly string[];
    }
  | { readonly kind: 'nak' | 'silent' | 'exhausted'; readonly reasons: readonly string[] };

/** RFC 2131 4.3.1: the reservation, else the machine's own address, else the one it asks for, else a free one. */
export function chooseOffer(input: AddressInput): AddressDecision {
  const { subnet, reservation, requested, view, isExcluded, now } = input;
  const reasons: string[] = [];
  if (reservation !== undefined && networkContains(subnet.network, reservation)) {
    if (mayHave(input, reservation)) return give(reservation, 'reserved for it in machines.yaml');
    const holder = view.holderOf(reservation);
    reasons.push(`its reservation ${formatIpv4(reservation)} is still ${holder?.state} by ${holder?.mac}`);
  }
  const own = ownAddress(input);
  if (own !== undefined) return give(own, 'the address it had', reasons);
  const address = view.freeAddress(subnet.ranges, isExcluded, now, requested);
  if (address === undefined) {
    const remedy = 'enlarge dhcp.range or shorten dhcp.leaseTime';
    return {
      kind: 'exhausted',
      reasons: [...reasons, `no address is free in ${formatNetwork(subnet.network)}: ${remedy}`],
    };
  }
  return give(address, address === requested ? 'the free address it asks for' : 'a free address', reasons);
}

/** The address of its lease, also of one that ended, or of its last offer: as long as it may still have it. */
function ownAddress(input: AddressInput): Ipv4 | undefined {
  const { mac, view, subnet, isExcluded } = input;
  const isWanted = (address: Ipv4) =>
    inRanges(subnet.ranges, address) && !isExcluded(address) && mayHave(input, address);
  return (view.leaseOf(mac, isWanted) ?? view.offerOf(mac, isWanted))?.address;
}

/** Nobody else has it, and the machine itself has not found it taken. */
function mayHave({ mac, view }: AddressInput, address: Ipv4): boolean {
  const holder = view.holderOf(address);
  return holder === undefined || (holder.mac === mac && holder.state !== 'declined');
}

function give(address: Ipv4, why: string, before: readonly string[] = []): AddressDecision {
  return { kind: 'give', address, reasons: [...before, `${formatIpv4(address)}: ${why}`] };
}

/** How a REQUEST came about (RFC 2131 4.3.2), told by option 54 and `ciaddr`. */
export type RequestState = 'selecting' | 'init-reboot' | 'renewing';

/**
 * RFC 2131 4.3.2. An address that the client may not have is a NAK, so that it starts over at once. Silence is for a
 * client that we know nothing about: in INIT-REBOOT, and where the address is none of our ranges also in RENEWING and
 * REBINDING, since another server may have given it. A renewed address of ours that nobody else holds is granted even
 * if the lease is unknown: after the loss of the database machines keep what they have. While it is new the same holds
 * for a machine in INIT-REBOOT: the MUST of the RFC is for servers beside others, and this one has lost what it knew.
 */
export function answerRequest(input: AddressInput, state: RequestState): AddressDecision {
  const { mac, subnet, reservation, requested, view } = input;
  if (requested === undefined) return { kind: 'silent', reasons: ['the REQUEST names no address'] };
  const text = formatIpv4(requested);
  if (!isHostAddress(subnet.network, requested)) {
    return { kind: 'nak', reasons: [`${text} is not in ${formatNetwork(subnet.network)}`] };
  }
  const holder = view.holderOf(requested);
  if (holder !== undefined && holder.mac !== mac) {
    return { kind: 'nak', reasons: [`${text} is ${holder.state} by ${holder.mac}`] };
  }
  if (holder?.state === 'declined') return { kind: 'nak', reasons: [`${text} was declined and rests`] };
  const reserved = reservation !== undefined && networkContains(subnet.network, reservation);
  const reservationFree = reserved && mayHave(input, reservation);
  if (reservationFree && requested !== reservation) {
    return {
      kind: 'nak',
      reasons: [`machines.yaml reserves ${formatIpv4(reservation)} for it, not ${text}`],
    };
  }
  if (reservationFree) return give(requested, 'reserved for it in machines.yaml');
  if (input.isExcluded(requested)) {
    return { kind: 'nak', reasons: [`${text} is reserved for another machine, or our own`] };
  }
  const own = view.leaseOf(mac, (address) => networkContains(subnet.network, address));
  if (!inRanges(subnet.ranges, requested)) {
    if (state === 'selecting' || reserved || own !== undefined) {
      return { kind: 'nak', reasons: [`${text} is outside the range`] };
    }
    return { kind: 'silent', reasons: [`${text} is outside the range: another server may have given it`] };
  }
  if (holder !== undefined) return give(requested, `${holder.state} to it`);
  if (own !== undefined && own.address !== requested && state === 'init-reboot') {
    return { kind: 'nak', reasons: [`it last had ${formatIpv4(own.address)}, not ${text}`] };
  }
  if (own === undefined && state === 'init-reboot' && input.isLearning === true) {
    const why = 'it says that it had it, and the database is new';
    return { kind: 'give', address: requested, unproven: true, reasons: [`${text}: ${why}`] };
  }
  if (own === undefined && state === 'init-reboot') {
    return { kind: 'silent', reasons: [`${text} was never given to it (RFC 2131 4.3.2)`] };
  }
  return give(requested, 'free, and it asks for it');
}
