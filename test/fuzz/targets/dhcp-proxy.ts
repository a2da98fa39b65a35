import { answerPort4011 } from '../../../src/boot/answer-port-4011.ts';
import { answerProxy } from '../../../src/boot/answer-proxy.ts';
import { identifyClient } from '../../../src/boot/identify-client.ts';
import { DhcpDecodeError } from '../../../src/protocol/dhcp/dhcp-decode-error.ts';
import { type DhcpPacket, decodeDhcpPacket } from '../../../src/protocol/dhcp/packet.ts';
import { replaceBytes } from '../engine/mutate-bytes.ts';
import { type FuzzTarget, hold, refusalOf } from '../engine/target.ts';
import { checkDhcpAction } from '../formats/check-dhcp-reply.ts';
import { dhcpMutators, dhcpSeeds } from '../formats/dhcp-packets.ts';
import { dhcpWorld } from '../formats/dhcp-world.ts';

/** A byte that chooses the world, then the packet; both ports get it. */
export const target: FuzzTarget = {
  what: 'a packet on port 67 beside another DHCP server, and the same one on port 4011',
  aims: [
    'protocol/dhcp/',
    'boot/identify-client.ts',
    'boot/answer-proxy.ts',
    'boot/answer-port-4011.ts',
    'boot/build-dhcp-reply.ts',
    'boot/choose-bootfile.ts',
    'boot/offer-boot.ts',
  ],
  maxLength: 1501,
  seeds: () =>
    dhcpSeeds().flatMap((packet) => [0, 2, 32, 64].map((world) => Uint8Array.of(world, ...packet))),
  mutators: [
    ...dhcpMutators(1),
    (input, random) => replaceBytes(input, 0, Math.min(1, input.length), Uint8Array.of(random.below(256))),
  ],
  dictionary: ['PXEClient', 'HTTPClient', 'iPXE', 'tinderbox', ':Arch:00007', ':UNDI:003016'],
  run(input) {
    let packet: DhcpPacket | undefined;
    if (refusalOf(DhcpDecodeError, () => void (packet = decodeDhcpPacket(input.subarray(1))))) return;
    if (packet === undefined) return;
    const { client } = identifyClient(packet);
    if (client === undefined) return;
    const world = dhcpWorld(input[0] ?? 0);
    for (const action of [answerProxy(packet, client, world), answerPort4011(packet, client, world)]) {
      checkDhcpAction(packet, action);
      hold(action.lease === undefined, 'a proxy gives no leases');
      if (action.kind === 'silent') continue;
      hold(action.address === undefined, 'a proxy gives no addresses');
      hold(action.boot !== undefined, 'a proxy answers only to offer a boot');
    }
  },
};
