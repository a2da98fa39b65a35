import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientPort } from '../../src/lab/virtual-client.ts';
import { formatIpv4 } from '../../src/machine/ipv4.ts';
import { type Mac, macFromBytes } from '../../src/machine/mac.ts';
import { encodeDhcpPacket } from '../../src/protocol/dhcp/packet.ts';
import { makeRequest, UEFI_ROM } from '../support/make-request.ts';
import type { HallEvent, HallOrder } from './hall-port.ts';
import { address, askOnce } from './hold-address.ts';
import { createRandom } from './random.ts';

const BROADCAST = address('255.255.255.255');
const WRONG_MACS = ['00:00:00:00:00:00' as Mac, 'ff:ff:ff:ff:ff:ff' as Mac, '01:00:5e:00:00:01' as Mac];
const TARGETS = [
  '/ipxe?mac=nonsense',
  '/ipxe?mac=ff:ff:ff:ff:ff:ff',
  '/boot/1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/cloud-config',
  '/assets/../../etc/passwd',
  '/assets/%2e%2e/var/tinderbox.db',
  `/${'x'.repeat(4_000)}`,
];

/** Who does not belong there: phones, wrong MACs, claims of others' addresses, garbage, curious HTTP clients. */
export async function sendStrangers(deps: {
  readonly port: ClientPort;
  readonly order: HallOrder;
  readonly randomXid: () => number;
  readonly say: (event: HallEvent) => void;
  readonly closing: AbortSignal;
}): Promise<void> {
  const { port, order, say, closing } = deps;
  const random = createRandom(order.seed, 5_000);
  const mac = (): Mac => {
    const bytes = Array.from({ length: 5 }, () => random.below(256));
    return macFromBytes(Uint8Array.from([2, ...bytes]));
  };
  const taken: string[] = [];

  const kinds: Readonly<Record<string, () => Promise<void>>> = {
    async phone() {
      const own = mac();
      const offer = await askOnce(deps, { type: 'discover', mac: own }, BROADCAST);
      if (offer.type !== 'offer') return;
      const at = Date.now();
      const server = address(order.server);
      const shape = { type: 'request', mac: own, requested: offer.yiaddr, server } as const;
      const answer = await askOnce(deps, shape, BROADCAST);
      if (answer.type !== 'ack') return;
      taken.push(formatIpv4(answer.yiaddr));
      say({ kind: 'address', at, mac: own, address: formatIpv4(answer.yiaddr) });
    },
    // INIT-REBOOT with an address that is another's: an ACK would be the address given twice.
    async claim() {
      const claimed = taken.at(-1);
      if (claimed === undefined) return;
      const own = mac();
      const at = Date.now();
      const answer = await askOnce(
        deps,
        { type: 'request', mac: own, requested: address(claimed) },
        BROADCAST,
      );
      if (answer.type === 'ack') say({ kind: 'address', at, mac: own, address: formatIpv4(answer.yiaddr) });
    },
    async wrongMac() {
      await askOnce(deps, { ...UEFI_ROM, mac: random.pick(WRONG_MACS) }, BROADCAST);
    },
    async garbage() {
      const bytes = encodeDhcpPacket(makeRequest({ ...UEFI_ROM, mac: mac() }));
      for (let index = 0; index < 8; index++) bytes[random.below(bytes.length)] = random.below(256);
      await port.send(bytes, BROADCAST, random.pick([67, 4011])).catch(() => undefined);
      await port.send(randomBytes(random.below(1_200)), address(order.server), random.pick([67, 69, 4011]));
    },
    async curl() {
      const url = `http://${order.server}${random.pick(TARGETS)}`;
      const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
      await response.arrayBuffer();
    },
  };
  while (!closing.aborted) {
    await delay(random.between(200, 2_500), undefined, { signal: closing }).catch(() => undefined);
    const what = random.pick(Object.keys(kinds));
    // A daemon that is away refuses them all.
    await kinds[what]?.().catch(() => undefined);
    say({ kind: 'stranger', at: Date.now(), what });
  }
}
