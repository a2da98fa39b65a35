import fc from 'fast-check';
import t from 'tap';
import { type Ipv4, parseIpv4 } from '../../../src/machine/ipv4.ts';
import { describePacket } from '../../../src/protocol/dhcp/describe-packet.ts';
import { encodeMessageType, type MessageType } from '../../../src/protocol/dhcp/option-codes.ts';
import { anyPacket, fuzzRuns, samplePacket } from './sample-packets.ts';

const server = parseIpv4('10.77.0.1') as Ipv4;
const client = parseIpv4('10.77.0.9') as Ipv4;
const text = (value: string): Uint8Array => Buffer.from(value, 'latin1');

function options(
  type: MessageType,
  ...others: readonly (readonly [number, Uint8Array])[]
): Map<number, Uint8Array> {
  return new Map([[53, encodeMessageType(type)], ...others]);
}

const packets = [
  { packet: samplePacket(), line: 'DISCOVER xid 0x12345678 from 52:54:00:12:34:56' },
  {
    packet: samplePacket({
      options: options(
        'discover',
        [60, text('PXEClient:Arch:00007:UNDI:003016')],
        [93, Uint8Array.of(0, 7, 0, 9)],
        [77, text('iPXE')],
        [175, Uint8Array.of(235, 3, 1, 21, 1, 19, 1, 1)],
      ),
    }),
    line: 'DISCOVER xid 0x12345678 from 52:54:00:12:34:56 "PXEClient:Arch:00007:UNDI:003016" arch 7,9 class "iPXE" iPXE 1.21.1 http',
  },
  {
    packet: samplePacket({
      op: 2,
      yiaddr: client,
      siaddr: server,
      giaddr: server,
      file: 'undionly.kpxe',
      options: options('offer', [54, Uint8Array.of(10, 77, 0, 1)], [43, Uint8Array.of(6, 1, 8, 255)]),
    }),
    line: 'OFFER xid 0x12345678 to 52:54:00:12:34:56 relay 10.77.0.1 address 10.77.0.9 server 10.77.0.1 next 10.77.0.1 discovery 8 file "undionly.kpxe"',
  },
  {
    packet: samplePacket({ ciaddr: client, options: options('request', [50, Uint8Array.of(10, 77, 0, 9)]) }),
    line: 'REQUEST xid 0x12345678 from 52:54:00:12:34:56 ciaddr 10.77.0.9 wants 10.77.0.9',
  },
  { packet: samplePacket({ options: new Map() }), line: 'BOOTP op 1 xid 0x12345678 from 52:54:00:12:34:56' },
  {
    packet: samplePacket({ hlen: 0, options: new Map([[53, Uint8Array.of(9)]]) }),
    line: 'type 9 xid 0x12345678 from no hardware address',
  },
  {
    packet: samplePacket({ options: options('discover', [60, text('\x1b[2J"\n')]) }),
    line: 'DISCOVER xid 0x12345678 from 52:54:00:12:34:56 "\\x1b[2J\\x22\\x0a"',
  },
];

t.test('a packet is one line that tells who asks for what', async (t) => {
  for (const { packet, line } of packets) t.equal(describePacket(packet), line);
});

t.test('whatever the packet holds, the line is short printable ASCII', async (t) => {
  const long = text('\xff'.repeat(255));
  const hostile = options(
    'discover',
    [60, long],
    [77, long],
    [67, long],
    [93, long],
    [175, Uint8Array.of(235, 255, ...long)],
  );
  t.equal(describePacket(samplePacket({ options: hostile })).length, 300);
  fc.assert(
    fc.property(anyPacket, (packet) => /^[ -~]{1,300}$/.test(describePacket(packet))),
    { numRuns: fuzzRuns(1000) },
  );
});
