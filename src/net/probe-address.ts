import { createSocket } from 'node:dgram';
import { setTimeout as delay } from 'node:timers/promises';
import { formatIpv4, type Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import { readArpTable } from './arp.ts';
import { shareReading } from './share-reading.ts';

/** Who was found on an address: the MAC on this network, or `somebody` beyond a router. Undefined: nobody answered. */
export type AddressUser = Mac | 'somebody' | undefined;

/** "discard": whoever is there refuses it or throws it away. */
const PORT = 9;
/** A host on the wire answers ARP within a few milliseconds. In ms. */
const WAIT = 300;
/** 4 ms are read and parsed for the 1,024 neighbours that the kernel knows at most, and 256 probes may end together. In ms. */
const FRESH = 25;
const readNeighbours = shareReading(readArpTable, FRESH, () => performance.now());

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
    const table = await readNeighbours();
    return table.find((entry) => entry.address === address)?.mac ?? answer;
  } finally {
    socket.close();
  }
}
