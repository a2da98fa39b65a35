import { answerServer } from '../../../src/boot/answer-server.ts';
import { identifyClient } from '../../../src/boot/identify-client.ts';
import { formatIpv4, networkContains } from '../../../src/machine/ipv4.ts';
import { DhcpDecodeError } from '../../../src/protocol/dhcp/dhcp-decode-error.ts';
import { type DhcpPacket, decodeDhcpPacket } from '../../../src/protocol/dhcp/packet.ts';
import { replaceBytes } from '../engine/mutate-bytes.ts';
import { type FuzzTarget, hold, refusalOf } from '../engine/target.ts';
import { checkDhcpAction } from '../formats/check-dhcp-reply.ts';
import { dhcpMutators, dhcpSeeds } from '../formats/dhcp-packets.ts';
import { dhcpWorld } from '../formats/dhcp-world.ts';

/** A byte that chooses the world, then the packet. */
export const target: FuzzTarget = {
  what: 'a packet on port 67, where the server gives addresses: decoded, decided, answered, and the answer read again',
  aims: [
    'protocol/dhcp/',
    'boot/identify-client.ts',
    'boot/answer-server.ts',
    'boot/build-dhcp-reply.ts',
    'boot/choose-address.ts',
    'boot/choose-bootfile.ts',
    'boot/offer-boot.ts',
    'boot/subnet.ts',
  ],
  maxLength: 1501,
  seeds: () =>
    dhcpSeeds().flatMap((packet) => [0, 1, 4, 64, 128].map((world) => Uint8Array.of(world, ...packet))),
  mutators: [
    ...dhcpMutators(1),
    (input, random) => replaceBytes(input, 0, Math.min(1, input.length), Uint8Array.of(random.below(256))),
  ],
  dictionary: ['PXEClient', 'HTTPClient', 'iPXE', 'tinderbox', ':Arch:00007', ':UNDI:003016'],
  run(input) {
    let packet: DhcpPacket | undefined;
    if (refusalOf(DhcpDecodeError, () => void (packet = decodeDhcpPacket(input.subarray(1))))) return;
    if (packet === undefined) return;
    const identified = identifyClient(packet);
    if (identified.client === undefined) return;
    const { client } = identified;
    const world = dhcpWorld(input[0] ?? 0);
    const action = answerServer(packet, client, world);
    checkDhcpAction(packet, action);
    const { lease } = action;
    if (lease === undefined || lease.kind === 'release' || lease.kind === 'decline') return;
    const text = formatIpv4(lease.address);
    const holder = world.view.holderOf(lease.address);
    hold(
      holder === undefined || holder.mac === client.mac,
      `${text} is given and belongs to another machine`,
    );
    hold(!world.isExcluded(lease.address), `${text} is given and is never to be`);
    hold(
      world.subnets.some(({ network }) => networkContains(network, lease.address)),
      `${text} is of no network of ours`,
    );
  },
};
