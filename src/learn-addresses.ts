import type { DhcpAction } from './boot/dhcp-action.ts';
import { formatIpv4, type Ipv4 } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import type { AddressUser } from './net/probe-address.ts';

export interface LearningOptions {
  readonly probe: (address: Ipv4) => Promise<AddressUser>;
  /** Whether the lease book has ever heard of it; then it need not be probed. */
  readonly isKnown: (address: Ipv4) => boolean;
  /** Milliseconds since the epoch: by then every lease of before was renewed, or has run out. */
  readonly until: number;
}

export interface AddressLearning {
  isOver(now: number): boolean;
  /** Addresses that a machine is not to be offered: somebody answers on them, or another machine is about to get them. */
  isAvoided(address: Ipv4, mac: Mac, now: number): boolean;
  /** What was found free for this machine: where it is to be preferred, or the search would go on beyond it. */
  claimOf(mac: Mac, now: number): Ipv4 | undefined;
  /**
   * Decides, and looks whether what it would give away is free; decides again until it is. `decide` must ask `isAvoided`
   * where it picks an address.
   */
  settle(mac: Mac, now: number, decide: () => DhcpAction): Promise<DhcpAction> | DhcpAction;
}

/** Tries for one packet: the machine asks again anyway, and what was found stays known. */
const MAX_TRIES = 4;
/** How long what was found holds. In ms. */
const FOUND_HOLDS = 60_000;
const FREE_HOLDS = 10_000;
/** Sockets open at a time; beyond them a packet is not answered, and comes again. */
const MAX_PROBES = 256;
/** Addresses remembered; the oldest is forgotten. */
const MAX_FOUND = 65_536;

interface Finding {
  readonly user: AddressUser;
  readonly mac: Mac;
  readonly until: number;
}

/**
 * After the database was lost machines hold addresses that it knows nothing of. So for the time of one lease an address
 * that it has never heard of is probed before it is given away, and a machine that asks for the one it had keeps it.
 */
export function createAddressLearning({ probe, isKnown, until }: LearningOptions): AddressLearning {
  const found = new Map<Ipv4, Finding>();
  const underWay = new Map<Ipv4, Mac>();
  const claims = new Map<Mac, Ipv4>();

  const isOver = (now: number): boolean => now >= until;

  function findingOf(address: Ipv4, now: number): Finding | undefined {
    const finding = found.get(address);
    return finding !== undefined && finding.until > now ? finding : undefined;
  }

  function isTakenFrom(mac: Mac, { user, mac: asked }: Finding): boolean {
    // Nobody is there: then it is for whoever had it looked up, until that machine has its offer.
    return user === undefined ? asked !== mac : user !== mac;
  }

  async function lookUp(address: Ipv4, mac: Mac, now: number): Promise<void> {
    underWay.set(address, mac);
    try {
      const user = await probe(address);
      found.delete(address);
      found.set(address, { user, mac, until: now + (user === undefined ? FREE_HOLDS : FOUND_HOLDS) });
      claims.delete(mac);
      if (user === undefined || user === mac) claims.set(mac, address);
      const [oldestClaim] = claims.keys();
      if (claims.size > MAX_FOUND && oldestClaim !== undefined) claims.delete(oldestClaim);
      const [oldest] = found.keys();
      if (found.size > MAX_FOUND && oldest !== undefined) found.delete(oldest);
    } finally {
      underWay.delete(address);
    }
  }

  async function settleSlowly(mac: Mac, now: number, decide: () => DhcpAction): Promise<DhcpAction> {
    let reasons: readonly string[] = [];
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const action = decide();
      const address = newAddress(action);
      if (address === undefined || isKnown(address)) return action;
      const finding = findingOf(address, now);
      if (finding !== undefined) {
        if (!isTakenFrom(mac, finding)) return withReason(action, finding);
        return refuseTaken(action, address, finding);
      }
      const owner = underWay.get(address);
      if (underWay.size >= MAX_PROBES || (owner !== undefined && owner !== mac)) break;
      if (owner === mac) return wait(['its former packet is being answered']);
      await lookUp(address, mac, now);
      reasons = [`${formatIpv4(address)} was looked for on the network`];
    }
    return wait([
      ...reasons,
      'free addresses are being looked for, since the database is new: it will ask again',
    ]);
  }

  return {
    isOver,
    isAvoided(address, mac, now) {
      const owner = underWay.get(address);
      if (owner !== undefined) return owner !== mac;
      const finding = findingOf(address, now);
      return finding !== undefined && isTakenFrom(mac, finding);
    },
    claimOf(mac, now) {
      const address = claims.get(mac);
      return address === undefined || findingOf(address, now) === undefined ? undefined : address;
    },
    settle(mac, now, decide) {
      if (isOver(now)) return decide();
      return settleSlowly(mac, now, decide);
    },
  };
}

/** What a reply would give away; not what a machine renews, since it is there and uses it. */
function newAddress(action: DhcpAction): Ipv4 | undefined {
  if (action.kind !== 'reply') return undefined;
  const { lease } = action;
  if (lease?.kind === 'offer') return lease.address;
  return lease?.kind === 'bind' && lease.unproven === true ? lease.address : undefined;
}

function withReason(action: DhcpAction, { user }: Finding): DhcpAction {
  const why = user === undefined ? 'nobody answers on it (the database is new)' : 'it answers on it itself';
  return { ...action, reasons: [...action.reasons, why] };
}

/** Of an offer `decide` would have picked another one: only a machine that insists on an address gets here. */
function refuseTaken(action: DhcpAction, address: Ipv4, { user }: Finding): DhcpAction {
  const reason = `${formatIpv4(address)} is used by ${user ?? 'another machine'}`;
  if (action.kind !== 'reply' || action.type === 'offer') return wait([reason]);
  const { serverAddress } = action;
  return {
    kind: 'reply',
    type: 'nak',
    ...(serverAddress === undefined ? {} : { serverAddress }),
    message: reason,
    reasons: [...action.reasons, reason],
  };
}

function wait(reasons: readonly string[]): DhcpAction {
  return { kind: 'silent', outcome: 'refused', reasons };
}
