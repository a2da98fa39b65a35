import type { Ipv4 } from '../../../src/machine/ipv4.ts';
import { macFromBytes } from '../../../src/machine/mac.ts';
import { addToSum } from '../../../src/protocol/pcap/internet-checksum.ts';
import { type CapturedFrame, encodePcap, summarizePcap } from '../../../src/protocol/pcap/pcap-file.ts';
import {
  ETHERNET_HEADER,
  encodeUdpFrame,
  FRAME_HEADERS,
  IPV4_HEADER,
} from '../../../src/protocol/pcap/udp-frame.ts';
import { readPcap } from '../../support/read-pcap.ts';
import { type FuzzTarget, hold, refusalOf } from '../engine/target.ts';

const ENDS = 24;

/** A byte: how much was cut off; both ends of a datagram; its payload. The input as a capture is summed up besides. */
export const target: FuzzTarget = {
  what: 'a datagram as a frame of a capture: lengths and checksums hold, and another reader finds what was put in',
  aims: ['protocol/pcap/'],
  maxLength: 3_000,
  seeds: () => [
    Uint8Array.of(0, ...Array.from({ length: ENDS }, (_, at) => at), 1, 2, 3),
    Uint8Array.of(2, ...new Uint8Array(ENDS).fill(255), ...new Uint8Array(300).fill(255)),
    encodePcap([{ at: 1_700_000_000_000_000, bytes: Uint8Array.of(1, 2, 3), wireLength: 5 }]),
  ],
  mutators: [],
  dictionary: [
    Uint8Array.of(0xa1, 0xb2, 0xc3, 0xd4),
    Uint8Array.of(255, 255, 255, 255),
    Uint8Array.of(0, 2, 0, 4),
  ],
  run(input) {
    const summary = { packets: -1 };
    // The daemon reads its own captures alone: what is none is refused, and never read beyond its end.
    refusalOf(RangeError, () => void (summary.packets = summarizePcap(input).packets));
    hold(summary.packets * 16 <= input.length, 'more packets than there is room for');
    if (input.length <= ENDS) return;
    const view = new DataView(input.buffer, input.byteOffset, input.length);
    const end = (at: number) => ({
      mac: macFromBytes(input.subarray(at, at + 6)),
      address: view.getUint32(at + 6) as Ipv4,
      port: view.getUint16(at + 10),
    });
    const all = input.subarray(1 + ENDS);
    const payload = all.subarray(0, all.length - Math.min(all.length, input[0] ?? 0));
    const source = end(1);
    const destination = end(13);
    const bytes = encodeUdpFrame({
      source,
      destination,
      payload,
      whole: { length: all.length, sum: addToSum(all) },
    });
    const wireLength = FRAME_HEADERS + all.length;
    hold(bytes.length === FRAME_HEADERS + payload.length, 'the frame has another length');
    hold(
      folded(bytes.subarray(ETHERNET_HEADER, ETHERNET_HEADER + IPV4_HEADER)) === 0xffff,
      'the checksum of IP is wrong',
    );
    const frames: readonly CapturedFrame[] = [{ at: 1_700_000_000_123_456, bytes, wireLength }];
    const file = encodePcap(frames);
    const { packets, from, to } = summarizePcap(file);
    hold(
      packets === 1 && from === to && from === 1_700_000_000_123.456,
      () => `it is summed up as ${packets} packets at ${from}`,
    );
    if (payload.length !== all.length) return;
    const udp = bytes.subarray(ETHERNET_HEADER + IPV4_HEADER);
    const pseudo = addToSum(
      bytes.subarray(ETHERNET_HEADER + 12, ETHERNET_HEADER + IPV4_HEADER),
      17 + udp.length,
    );
    hold(folded(udp, pseudo) === 0xffff, 'the checksum of UDP is wrong');
    const [read] = readPcap(file);
    hold(
      read !== undefined &&
        read.source === source.address &&
        read.sourcePort === source.port &&
        read.destination === destination.address &&
        read.destinationPort === destination.port,
      'the ends read back otherwise',
    );
    hold(
      read !== undefined && Buffer.compare(read.payload, payload) === 0,
      'the payload reads back otherwise',
    );
  },
};

/** RFC 1071: a sum over a checksum that is right is all ones. */
function folded(bytes: Uint8Array, before = 0): number {
  let sum = addToSum(bytes, before);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
