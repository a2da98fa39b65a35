import type { Ipv4 } from '../machine/ipv4.ts';
import type { FoundDhcpServer } from './dhcp-probe.ts';

/** Another DHCP server on one interface. A machine's REQUEST tells no more than its address. */
export interface KnownDhcpServer extends Pick<FoundDhcpServer, 'server' | 'mac' | 'router'> {
  readonly offered?: Ipv4;
  /** It answers strangers, so that its silence says something. */
  readonly answers: boolean;
  /** Milliseconds since the epoch. */
  readonly firstSeen: number;
  readonly lastSeen: number;
  /** Probes since then that it did not answer. */
  readonly misses: number;
}

/** What is known of one interface; starts as NOTHING_KNOWN. */
export interface WireState {
  readonly servers: ReadonlyMap<Ipv4, KnownDhcpServer>;
  /** The last probe found nobody, and nobody is known. */
  readonly alone: boolean;
}

export const NOTHING_KNOWN: WireState = { servers: new Map(), alone: false };

export type WireChange =
  | { readonly kind: 'appeared' | 'gone' | 'changed'; readonly server: KnownDhcpServer }
  | { readonly kind: 'alone' };

export interface WireStep {
  readonly state: WireState;
  readonly changes: readonly WireChange[];
}

/** An answer may be lost, and a server may be busy. */
const MISSES_ALLOWED = 2;
/** In ms. One that only known machines get answers of is seen as often as one of those boots. */
const SILENCE_ALLOWED = 3_600_000;
/** A flood of forged identifiers must fill neither the memory nor the log. */
const MOST_SERVERS = 16;

/** What a probe found: everybody who answered it. `now`: ms since the epoch. */
export function noteProbe(before: WireState, found: readonly FoundDhcpServer[], now: number): WireStep {
  const servers = new Map(before.servers);
  const changes: WireChange[] = [];
  const answered = new Set(found.map(({ server }) => server));
  for (const [address, known] of before.servers) {
    if (answered.has(address)) continue;
    const misses = known.misses + 1;
    const isGone = known.answers ? misses >= MISSES_ALLOWED : now - known.lastSeen > SILENCE_ALLOWED;
    if (!isGone) servers.set(address, { ...known, misses });
    else if (servers.delete(address)) changes.push({ kind: 'gone', server: known });
  }
  for (const { server, mac: told, offered, router } of found) {
    const known = servers.get(server);
    if (known === undefined && servers.size >= MOST_SERVERS) {
      const evicted = leastHeard(servers);
      if (evicted === undefined) continue;
      servers.delete(evicted.server);
      changes.push({ kind: 'gone', server: evicted });
    }
    // It may be gone between its offer and the question for its MAC.
    const mac = told ?? known?.mac;
    const seen = {
      server,
      offered,
      ...(mac === undefined ? {} : { mac }),
      ...(router === undefined ? {} : { router }),
      answers: true,
      firstSeen: known?.firstSeen ?? now,
      lastSeen: now,
      misses: 0,
    };
    servers.set(server, seen);
    if (known === undefined) changes.push({ kind: 'appeared', server: seen });
    else if (known.mac !== undefined && mac !== undefined && known.mac !== mac)
      changes.push({ kind: 'changed', server: seen });
  }
  const alone = servers.size === 0;
  if (alone && !before.alone) changes.push({ kind: 'alone' });
  return { state: { servers, alone }, changes };
}

/** Of those that were only named by others, which costs a forger one packet each: the one that was so first. */
function leastHeard(servers: ReadonlyMap<Ipv4, KnownDhcpServer>): KnownDhcpServer | undefined {
  const [first, ...rest] = [...servers.values()].filter(({ answers }) => !answers);
  if (first === undefined) return undefined;
  return rest.reduce((least, each) => (each.lastSeen < least.lastSeen ? each : least), first);
}

/** A machine's REQUEST named this server (option 54): it took its offer. */
export function noteRequest(before: WireState, server: Ipv4, now: number): WireStep {
  const known = before.servers.get(server);
  if (known === undefined && before.servers.size >= MOST_SERVERS) return { state: before, changes: [] };
  const next: KnownDhcpServer =
    known === undefined
      ? { server, answers: false, firstSeen: now, lastSeen: now, misses: 0 }
      : { ...known, lastSeen: now, misses: 0 };
  const state = { servers: new Map(before.servers).set(server, next), alone: false };
  return { state, changes: known === undefined ? [{ kind: 'appeared', server: next }] : [] };
}
