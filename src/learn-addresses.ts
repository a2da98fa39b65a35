import type { DhcpAction } from './boot/dhcp-action.ts';
import type { Config } from './config/port.ts';
import { formatIpv4, type Ipv4 } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import type { AddressUser, ProbeAddress } from './net/probe-address.ts';

export interface LearningOptions {
  readonly probe: ProbeAddress;
  /** Whether the lease book has ever heard of it, or it is reserved; then it need not be probed. */
  readonly isKnown: (address: Ipv4) => boolean;
  /** How long it goes on, in ms: after it every lease of before was renewed, or has run out. */
  readonly time: number;
  /** Milliseconds that never jump: a clock that is set late must not end it. */
  readonly uptime: () => number;
}

export interface AddressLearning {
  isOver(): boolean;
  /** Addresses that a machine is not to be offered: somebody answers on them, or they are being looked up. */
  isAvoided(address: Ipv4, mac: Mac): boolean;
  /** What was found free for this machine: where it is to be preferred, or the search would go on beyond it. */
  claimOf(mac: Mac): Ipv4 | undefined;
  /**
   * Decides, and looks whether what it would give away is free; decides again until it is. `decide` must ask `isAvoided`
   * where it picks an address.
   */
  settle(mac: Mac, decide: () => DhcpAction): Promise<DhcpAction> | DhcpAction;
}

/**
 * Rounds of one packet; each looks up twice as many addresses as the one before. So a newcomer passes over 31 machines
 * that nobody remembers within 1.5 s; it asks again anyway, and what was found stays known.
 */
const ROUNDS = 5;
/** How long what was found holds. In ms. */
const FOUND_HOLDS = 60_000;
const FREE_HOLDS = 10_000;
/** Addresses remembered; the oldest is forgotten. */
const MAX_FOUND = 65_536;

interface Finding {
  readonly user: AddressUser;
  readonly mac: Mac;
  readonly until: number;
}

/** What is looked up for one machine at the same time. */
interface Round {
  readonly lookUps: Promise<void>[];
  /** One that it may have was found: it needs no other. */
  found: boolean;
}

/**
 * How long it takes from now until every lease that was given before was renewed, and so learned, or has run out. In ms;
 * never longer than the longest lease, however wrong the clock was when the database was lost.
 */
export function learningTime(
  { probeAddresses, subnets }: Config['dhcp'],
  incompleteSince: number | undefined,
  now: number,
): number {
  if (incompleteSince === undefined || !probeAddresses) return 0;
  const longest = Math.max(0, ...subnets.map(({ leaseTime }) => leaseTime)) * 1000;
  return Math.max(0, Math.min(incompleteSince + longest - now, longest));
}

/**
 * After the database was lost machines hold addresses that it knows nothing of. So for the time of one lease an address
 * that it has never heard of is probed before it is given away, and a machine that asks for the one it had keeps it.
 */
export function createAddressLearning({ probe, isKnown, time, uptime }: LearningOptions): AddressLearning {
  const end = uptime() + time;
  const found = new Map<Ipv4, Finding>();
  const underWay = new Set<Ipv4>();
  const claims = new Map<Mac, Ipv4>();
  /** Machines whose packet is being answered. */
  const settling = new Set<Mac>();

  const isOver = (): boolean => uptime() >= end;

  function findingOf(address: Ipv4): Finding | undefined {
    const finding = found.get(address);
    return finding !== undefined && finding.until > uptime() ? finding : undefined;
  }

  function isTakenFrom(mac: Mac, { user, mac: asked }: Finding): boolean {
    // Nobody is there: then it is for whoever had it looked up, until that machine has its offer.
    return user === undefined ? asked !== mac : user !== mac;
  }

  async function lookUp(
    address: Ipv4,
    mac: Mac,
    probed: Promise<AddressUser>,
    round: Pick<Round, 'found'>,
  ): Promise<void> {
    underWay.add(address);
    try {
      const user = await probed;
      const mayHave = user === undefined || user === mac;
      // A second one that is free stays everybody's.
      if (user === undefined && round.found) return;
      const isFound = user !== undefined && user !== 'unknown';
      found.delete(address);
      found.set(address, { user, mac, until: uptime() + (isFound ? FOUND_HOLDS : FREE_HOLDS) });
      claims.delete(mac);
      if (mayHave) {
        round.found = true;
        claims.set(mac, address);
      }
      forgetOldest(claims);
      forgetOldest(found);
    } finally {
      underWay.delete(address);
    }
  }

  /** Begins to look up what `decide` names, up to so many addresses. */
  function beginRound(mac: Mac, most: number, decide: () => DhcpAction): Round {
    const round: Round = { lookUps: [], found: false };
    while (round.lookUps.length < most) {
      const address = newAddress(decide());
      // The next one is known or found already, or it is the same again: one that the machine insists on.
      if (address === undefined || isKnown(address) || findingOf(address) !== undefined) break;
      const probed = underWay.has(address) ? undefined : probe(address);
      if (probed === undefined) break;
      round.lookUps.push(lookUp(address, mac, probed, round));
    }
    return round;
  }

  /** Undefined: what would be given away has to be looked up first. */
  function withoutLookingUp(mac: Mac, action: DhcpAction): DhcpAction | undefined {
    const address = newAddress(action);
    if (address === undefined || isKnown(address)) return action;
    const finding = findingOf(address);
    if (finding === undefined) return undefined;
    return isTakenFrom(mac, finding) ? refuseTaken(action, address, finding) : withReason(action, finding);
  }

  async function settleSlowly(mac: Mac, decide: () => DhcpAction): Promise<DhcpAction> {
    let asked = 0;
    for (let most = 1; most < 2 ** ROUNDS; most *= 2) {
      const { lookUps } = beginRound(mac, most, decide);
      if (lookUps.length === 0) break;
      asked += lookUps.length;
      await Promise.all(lookUps);
      const action = withoutLookingUp(mac, decide());
      if (action !== undefined) return action;
    }
    return wait([
      `${asked} address(es) were looked for on the network`,
      'free addresses are being looked for, since the database is new: it will ask again',
    ]);
  }

  return {
    isOver,
    isAvoided(address, mac) {
      if (underWay.has(address)) return true;
      const finding = findingOf(address);
      return finding !== undefined && isTakenFrom(mac, finding);
    },
    claimOf(mac) {
      const address = claims.get(mac);
      return address === undefined || findingOf(address) === undefined ? undefined : address;
    },
    settle(mac, decide) {
      const action = decide();
      if (isOver()) return action;
      const settled = withoutLookingUp(mac, action);
      if (settled !== undefined) return settled;
      if (settling.has(mac)) return wait(['its former packet is being answered']);
      settling.add(mac);
      return settleSlowly(mac, decide).finally(() => settling.delete(mac));
    },
  };
}

function forgetOldest(map: Map<unknown, unknown>): void {
  if (map.size > MAX_FOUND) map.delete(map.keys().next().value);
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
  // A machine that boots again may well have it itself: it is not told to give it up.
  if (user === 'unknown')
    return wait([`whether somebody has ${formatIpv4(address)} could not be asked: it will ask again`]);
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
