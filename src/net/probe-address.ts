import { createSocket } from 'node:dgram';
import { setTimeout as delay } from 'node:timers/promises';
import { formatIpv4, type Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import { readArpTable } from './arp.ts';

/** Who was found on an address: the MAC on this network, or `somebody` beyond a router. Undefined: nobody answered. */
export type AddressUser = Mac | 'somebody' | undefined;

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

let nextReading: Promise<ReadonlyMap<Ipv4, Mac>> | undefined;

/** As it is after this was called. */
function readNeighbours(): Promise<ReadonlyMap<Ipv4, Mac>> {
  nextReading ??= delay(TOGETHER).then(async () => {
    nextReading = undefined;
    return new Map((await readArpTable()).map(({ address, mac }) => [address, mac]));
  });
  return nextReading;
}

/**
 * Asks by a datagram whether somebody has an address: to send it the kernel asks by ARP, which no firewall holds back,
 * and from behind a router a closed port is refused by ICMP. Needs no rights that a raw socket does. Takes 300 ms; never
 * rejects: what cannot be asked about is nobody's.
 */
export async function probeAddress(address: Ipv4): Promise<AddressUser> {
  const socket = createSocket('udp4');
  const refused = Promise.withResolvers<'somebody' | undefined>();
  socket.on('error', (error: NodeJS.ErrnoException) =>
    refused.resolve(error.code === 'ECONNREFUSED' ? 'somebody' : undefined),
  );
  try {
    socket.connect(PORT, formatIpv4(address), () => socket.send('', () => undefined));
    const answer = await Promise.race([refused.promise, delay(WAIT, undefined)]);
    return (await readNeighbours()).get(address) ?? answer;
  } finally {
    socket.close();
  }
}
