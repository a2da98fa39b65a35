import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { DaemonStatus } from './admin/api.ts';
import {
  describeDhcpServer,
  type FoundBootServer,
  type FoundDhcpServer,
  makeProbe,
  nameDhcpServer,
  probeMac,
} from './boot/dhcp-probe.ts';
import { WAYS_OUT } from './boot/judge-other-servers.ts';
import {
  type KnownDhcpServer,
  NOTHING_KNOWN,
  noteProbe,
  noteRequest,
  type WireChange,
  type WireState,
  type WireStep,
} from './boot/known-dhcp-servers.ts';
import type { Config } from './config/port.ts';
import { TinderboxError, toTinderboxError } from './errors.ts';
import type { Logger } from './logger.ts';
import { formatIpv4, type Ipv4, UNSPECIFIED } from './machine/ipv4.ts';
import { type Mac, macFromBytes } from './machine/mac.ts';
import { findBootServers, findDhcpServers } from './net/find-dhcp-servers.ts';
import { readInterfaces } from './net/interfaces.ts';
import { messageTypeOf, OPTION } from './protocol/dhcp/option-codes.ts';
import { readIpv4 } from './protocol/dhcp/option-values.ts';
import type { DhcpPacket } from './protocol/dhcp/packet.ts';

export interface DhcpServerWatch extends AsyncDisposable {
  /**
   * Every packet that comes in on port 67 of an interface; `ignore`: it is a probe of this very daemon, or of `doctor`
   * on this host, and nothing comes of it. Linux gives a host its own broadcasts.
   */
  overhear(packet: DhcpPacket, via: string): 'ignore' | undefined;
  /**
   * Server mode, before the first address is given: whether somebody else gives any. Throws `invalid-config` if so, unless
   * that is allowed, or this Tinderbox served here before. Takes WAIT_FIRST where nobody answers, and else no time.
   */
  lookFirst(): Promise<void>;
  /** Begins to probe: not before the servers are there, since their own answers are left out by their addresses. */
  start(): void;
  servers(): DaemonStatus['otherDhcpServers'];
  /** Who else names a boot file to firmware on this interface, as the newest probes found. */
  bootServers(via: string): readonly FoundBootServer[];
  /** The last probe on this interface found nobody who gives addresses. */
  isAlone(via: string): boolean;
}

export interface DhcpServerWatchOptions {
  readonly config: Pick<Config, 'network' | 'dhcp'>;
  /** It gave addresses here before this start: whoever else does so now does not keep it from going on. */
  readonly servedBefore: boolean;
  /** Of the provisioning interfaces, as they are now. */
  readonly ownAddresses: () => ReadonlySet<Ipv4>;
  /** Of a provisioning interface; undefined where it has none. */
  readonly macOf: (via: string) => Mac | undefined;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** dnsmasq pings for three seconds what it is about to offer. In ms. */
const WAIT = 5000;
/** As long as dnsmasq pings, and a little. Firmware whose first DISCOVER is lost meanwhile asks again at four seconds. */
const WAIT_FIRST = 3500;

const MISSES_ALLOWED = 2;

interface HeardBootServer extends FoundBootServer {
  /** Probes since then that it did not answer. */
  readonly misses: number;
}

/** So it is with socket units, where the service has no capability. */
const WITHOUT_RIGHT =
  'port 68 needs CAP_NET_BIND_SERVICE, which a service with socket units has not. Other servers are noticed only when machines ask them; dhcp.probe: off silences this';

/**
 * Which other DHCP servers there are, at the start and now and then, and what is overheard of them between. Says each
 * change once: beside a server a second one is a fault, and a proxy without any is one.
 */
export function watchDhcpServers(options: DhcpServerWatchOptions): DhcpServerWatch {
  const { config, ownAddresses, logger, now } = options;
  const { mode, probe: interval } = config.dhcp;
  const states = new Map<string, WireState>();
  const failures = new Map<string, string>();
  const bootServers = new Map<string, ReadonlyMap<Ipv4, HeardBootServer>>();
  // One for the life of the daemon: a server offers it the same address again, and its pool loses no other.
  const nameless = makeProbe(randomBytes(10)).mac;
  /** By the interface's address: asked with each packet. */
  const probers = new Map<Mac, Mac>();
  const proberOn = (via: string): Mac => {
    const address = options.macOf(via);
    if (address === undefined) return nameless;
    const known = probers.get(address);
    if (known !== undefined) return known;
    const prober = probeMac(address);
    // An address that was is not asked for again.
    probers.clear();
    for (const name of config.network.interfaces) {
      const other = options.macOf(name);
      if (other !== undefined) probers.set(other, probeMac(other));
    }
    return prober;
  };
  /** At the last probe: a machine may still name an address that is ours no more. */
  let own: ReadonlySet<Ipv4> = new Set();
  const stop = new AbortController();
  let running: Promise<unknown> = Promise.resolve();

  function take(via: string, { state, changes }: WireStep): void {
    states.set(via, state);
    for (const change of changes) sayChange(via, change, mode, logger);
  }

  /** A server that is busy is not gone: it may miss two probes. */
  function takeBoots(via: string, found: readonly FoundBootServer[]): void {
    const heard = new Map<Ipv4, HeardBootServer>();
    for (const [server, known] of bootServers.get(via) ?? []) {
      if (known.misses < MISSES_ALLOWED) heard.set(server, { ...known, misses: known.misses + 1 });
    }
    for (const boot of found) {
      const known = bootServers.get(via)?.get(boot.server);
      heard.set(boot.server, { ...boot, misses: 0 });
      if (known?.bootfile === boot.bootfile) continue;
      logger.warn(
        { interface: via, address: formatIpv4(boot.server), bootfile: boot.bootfile },
        `another server on ${via} names a boot file: ${formatIpv4(boot.server)} offers ${boot.bootfile}; machines take what answers first`,
      );
    }
    bootServers.set(via, heard);
  }

  /** Undefined: it could not be looked, and that was said, or it was to end. */
  async function othersOn(device: string, first: boolean): Promise<readonly FoundDhcpServer[] | undefined> {
    try {
      const all = await readInterfaces();
      own = new Set(all.flatMap(({ addresses }) => addresses.map(({ address }) => address)));
      // One that is not there or has no address is not served, and that has been said.
      if (!all.some(({ name, addresses, up }) => name === device && up && addresses.length > 0))
        return undefined;
      const wait = first ? WAIT_FIRST : WAIT;
      const mac = proberOn(device);
      const newProbe = () => ({ mac, xid: randomBytes(4).readUInt32BE() });
      const [found, boots] = await Promise.all([
        findDhcpServers({
          device,
          probe: newProbe(),
          wait,
          signal: stop.signal,
          ...(first ? { isEnough: ({ server }) => !own.has(server) } : {}),
        }),
        // At the start only who gives addresses is in the way.
        first ? [] : findBootServers({ device, probe: newProbe(), wait, signal: stop.signal }),
      ]);
      if (stop.signal.aborted) return undefined;
      if (!first) {
        takeBoots(
          device,
          boots.filter(({ server }) => !own.has(server)),
        );
      }
      failures.delete(device);
      return found.filter(({ server }) => !own.has(server));
    } catch (thrown) {
      const { code, message } = toTinderboxError(thrown);
      if (failures.get(device) === message) return undefined;
      failures.set(device, message);
      logger.info({ interface: device }, code === 'refused' ? `${message}: ${WITHOUT_RIGHT}` : message);
      return undefined;
    }
  }

  async function probeOn(device: string): Promise<void> {
    const others = await othersOn(device, false);
    if (others !== undefined) take(device, noteProbe(states.get(device) ?? NOTHING_KNOWN, others, now()));
  }

  async function probeForever(seconds: number): Promise<void> {
    while (!stop.signal.aborted) {
      await Promise.all(config.network.interfaces.map(probeOn));
      await delay(seconds * 1000, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  }

  return {
    overhear(packet, via) {
      if (packet.hlen === 6 && macFromBytes(packet.chaddr) === proberOn(via)) return 'ignore';
      if (interval === undefined || packet.giaddr !== UNSPECIFIED) return undefined;
      if (messageTypeOf(packet) !== 'request') return undefined;
      const server = readIpv4(packet.options, OPTION.serverIdentifier);
      if (server === undefined || server === UNSPECIFIED) return undefined;
      if (own.has(server) || ownAddresses().has(server)) return undefined;
      take(via, noteRequest(states.get(via) ?? NOTHING_KNOWN, server, now()));
      return undefined;
    },
    async lookFirst() {
      if (mode !== 'server' || interval === undefined) return;
      if (config.dhcp.allowOtherServers || options.servedBefore) return;
      const found = await Promise.all(
        config.network.interfaces.map(async (via) =>
          ((await othersOn(via, true)) ?? []).map((other) => `on ${via} ${describeDhcpServer(other)}`),
        ),
      );
      const others = found.flat();
      if (others.length === 0) return;
      throw new TinderboxError(
        'invalid-config',
        `dhcp.mode is server, and another DHCP server gives addresses already: ${others.join('; ')}`,
        { remedy: `${WAYS_OUT}.` },
      );
    },
    start() {
      if (mode !== 'off' && interval !== undefined) running = probeForever(interval);
    },
    servers: () =>
      [...states].flatMap(([via, { servers }]) =>
        [...servers.values()].map((server) => viewOf(via, server, bootServers.get(via)?.get(server.server))),
      ),
    bootServers: (via) => [...(bootServers.get(via)?.values() ?? [])],
    isAlone: (via) => states.get(via)?.alone === true,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

function sayChange(via: string, change: WireChange, mode: Config['dhcp']['mode'], logger: Logger): void {
  if (change.kind === 'alone') {
    if (mode !== 'proxy') return;
    logger.warn(
      { interface: via },
      `no DHCP server answers on ${via}: in proxy mode machines get no address until one does`,
    );
    return;
  }
  const { server } = change;
  const details = { interface: via, ...describe(server) };
  const name = nameDhcpServer(server);
  switch (change.kind) {
    case 'appeared': {
      const who = introduce(server);
      if (mode === 'server')
        logger.warn(details, `another DHCP server is on ${via}: ${who}; machines take what answers first`);
      else logger.info(details, `DHCP server on ${via}: ${who}`);
      return;
    }
    case 'changed':
      logger.warn(details, `the DHCP server ${name} on ${via} is another host than before`);
      return;
    case 'gone':
      logger.info(details, `the DHCP server ${name} on ${via} does not answer any more`);
  }
}

/** A REQUEST of a machine tells no more than the server's address. */
function introduce({ offered, ...server }: KnownDhcpServer): string {
  return offered === undefined ? nameDhcpServer(server) : describeDhcpServer({ ...server, offered });
}

function describe({ server, mac, offered, router }: KnownDhcpServer) {
  return {
    address: formatIpv4(server),
    ...(mac === undefined ? {} : { mac }),
    ...(offered === undefined ? {} : { offered: formatIpv4(offered) }),
    ...(router === undefined ? {} : { router: formatIpv4(router) }),
  };
}

function viewOf(
  via: string,
  server: KnownDhcpServer,
  boot: FoundBootServer | undefined,
): DaemonStatus['otherDhcpServers'][number] {
  return {
    interface: via,
    ...describe(server),
    ...(boot === undefined ? {} : { bootfile: boot.bootfile }),
    firstSeen: server.firstSeen,
    lastSeen: server.lastSeen,
  };
}
