import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { formatIpv4, type Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import { parseArpTable } from './arp.ts';

/**
 * Who was found on an address: the MAC on this network, or `somebody` beyond a router; `unknown`: this host could not ask.
 * Undefined: nobody answered.
 */
export type AddressUser = Mac | 'somebody' | 'unknown' | undefined;

/** Whether somebody has an address. Undefined at once: too many are being asked about, try again later. */
export type ProbeAddress = (address: Ipv4) => Promise<AddressUser> | undefined;

/** "discard": whoever is there refuses it or throws it away. */
const PORT = 9;
/** A host on the wire answers ARP within a few milliseconds. In ms. */
const WAIT = 300;
/** Answers that are waited for at the same time share one reading of the table. In ms. */
const TOGETHER = 5;
/**
 * The kernel goes on asking for 3 s where nobody answers, and its table holds 1,024 neighbours of all networks
 * (net.ipv4.neigh.default.gc_thresh3): when it is full it asks for none, says nothing, and each address looks free.
 */
const MOST_ASKED = 512;
const ASKED_FOR = 3000;
/** Those that wait for their turn wait no longer than a machine waits for its answer. */
const MOST_WAITING = 512;

export interface ProbeTurnsOptions {
  readonly probe: (address: Ipv4) => Promise<AddressUser>;
  /** For tests; in ms. */
  readonly askedFor?: number;
}

/** Probes addresses at the same time, as many as the kernel's table has room for; the others in their turn. */
export function createAddressProbe({
  probe = probeAddress,
  askedFor = ASKED_FOR,
}: Partial<ProbeTurnsOptions> = {}): ProbeAddress {
  const waiting: (() => void)[] = [];
  let asked = 0;
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) asked--;
    else next();
  };
  const run = async (address: Ipv4): Promise<AddressUser> => {
    const user = await probe(address);
    if (user === undefined) setTimeout(leave, Math.max(0, askedFor - WAIT)).unref();
    else leave();
    return user;
  };
  return (address) => {
    if (asked < MOST_ASKED) {
      asked++;
      return run(address);
    }
    if (waiting.length >= MOST_WAITING) return undefined;
    const turn = Promise.withResolvers<void>();
    waiting.push(turn.resolve);
    return turn.promise.then(() => run(address));
  };
}

/** Out of descriptors, memory or ports: nothing was asked. */
const EXHAUSTED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EAGAIN']);

function whatItTells(code = ''): 'somebody' | 'unknown' | undefined {
  if (code === 'ECONNREFUSED') return 'somebody';
  return EXHAUSTED.has(code) ? 'unknown' : undefined;
}

let nextReading: Promise<ReadonlyMap<Ipv4, Mac> | undefined> | undefined;

/** As it is after this was called; undefined: no descriptor was left to read it with. */
function readNeighbours(): Promise<ReadonlyMap<Ipv4, Mac> | undefined> {
  nextReading ??= delay(TOGETHER).then(async () => {
    nextReading = undefined;
    try {
      const table = parseArpTable(await readFile('/proc/self/net/arp', 'latin1'));
      return new Map(table.map(({ address, mac }) => [address, mac]));
    } catch (error) {
      return EXHAUSTED.has((error as NodeJS.ErrnoException).code ?? '') ? undefined : new Map();
    }
  });
  return nextReading;
}

/**
 * Asks by a datagram whether somebody has an address: to send it the kernel asks by ARP, which no firewall holds back,
 * and from behind a router a closed port is refused by ICMP. Needs no rights that a raw socket does. Takes 300 ms; never
 * rejects: where no way leads is nobody; but a host that has no descriptor left to ask with knows nothing.
 */
export async function probeAddress(address: Ipv4): Promise<AddressUser> {
  const socket = createSocket('udp4');
  const refused = Promise.withResolvers<'somebody' | 'unknown' | undefined>();
  socket.on('error', (error: NodeJS.ErrnoException) => refused.resolve(whatItTells(error.code)));
  try {
    socket.connect(PORT, formatIpv4(address), () => socket.send('', () => undefined));
    const answer = await Promise.race([refused.promise, delay(WAIT, undefined)]);
    const neighbours = await readNeighbours();
    return neighbours === undefined ? (answer ?? 'unknown') : (neighbours.get(address) ?? answer);
  } finally {
    socket.close();
  }
}
