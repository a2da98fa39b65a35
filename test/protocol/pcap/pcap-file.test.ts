import t from 'tap';
import { type Ipv4, parseIpv4 } from '../../../src/machine/ipv4.ts';
import type { Mac } from '../../../src/machine/mac.ts';
import { addToSum, checksumOf } from '../../../src/protocol/pcap/internet-checksum.ts';
import { encodePcap, summarizePcap } from '../../../src/protocol/pcap/pcap-file.ts';
import { encodeUdpFrame, FRAME_HEADERS, type UdpFrame } from '../../../src/protocol/pcap/udp-frame.ts';
import { readPcap } from '../../support/read-pcap.ts';

const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;
const CLIENT = { mac: '52:54:00:12:34:56' as Mac, address: ip('10.77.0.5'), port: 2070 };
const SERVER = { mac: '02:00:00:00:00:01' as Mac, address: ip('255.255.255.254'), port: 69 };

function frame(payload: Uint8Array, kept = payload.length, ends: Partial<UdpFrame> = {}): Uint8Array {
  const whole = { length: payload.length, sum: addToSum(payload) };
  return encodeUdpFrame({
    source: CLIENT,
    destination: SERVER,
    payload: payload.subarray(0, kept),
    whole,
    ...ends,
  });
}

/** Sums to zero if the checksum in it is right. */
function udpRest(bytes: Uint8Array): number {
  const udp = bytes.subarray(34);
  return checksumOf(addToSum(udp, addToSum(bytes.subarray(26, 34), 17 + udp.length)));
}

t.test('a frame has the addresses, the lengths and the checksums of its datagram', (t) => {
  const every = Uint8Array.from({ length: 1472 }, (_, at) => (at * 7) % 256);
  const payloads = [new Uint8Array(0), Uint8Array.of(1), Uint8Array.of(1, 2), every, every.subarray(0, 1471)];
  for (const payload of payloads) {
    const bytes = frame(payload);
    const view = new DataView(bytes.buffer);
    t.equal(Buffer.from(bytes.subarray(0, 12)).toString('hex'), '020000000001525400123456');
    t.equal(view.getUint16(16), 28 + payload.length, 'of IPv4');
    t.equal(view.getUint16(38), 8 + payload.length, 'of UDP');
    t.equal(checksumOf(addToSum(bytes.subarray(14, 34))), 0, `IPv4, of ${payload.length} bytes`);
    t.equal(udpRest(bytes), 0, `UDP, of ${payload.length} bytes`);
  }
  t.end();
});

t.test(
  'a checksum that comes out as zero is written as ones, since zero would say that there is none',
  (t) => {
    const bytes = frame(Uint8Array.of(0, 0));
    const left = new DataView(bytes.buffer).getUint16(40);
    const payload = Uint8Array.of(left >> 8, left & 255);
    const whole = frame(payload);
    t.equal(new DataView(whole.buffer).getUint16(40), 0xffff);
    t.equal(udpRest(whole), 0);
    t.end();
  },
);

t.test('a payload that was cut keeps the length and the checksum of the whole', (t) => {
  const payload = Uint8Array.from({ length: 1000 }, (_, at) => at % 251);
  const cut = frame(payload, 64);
  t.equal(cut.length, FRAME_HEADERS + 64);
  t.same(cut, frame(payload).subarray(0, FRAME_HEADERS + 64));
  t.end();
});

t.test('a file is read back with its datagrams, and says how many they are and of which time', (t) => {
  const at = 1_700_000_000_123_456;
  const bytes = frame(Buffer.from('hello'));
  const file = encodePcap([
    { at, bytes, wireLength: bytes.length },
    { at: at + 1_000_001, bytes, wireLength: bytes.length },
  ]);
  const [first, ...rest] = readPcap(file);
  t.equal(rest.length, 1);
  t.match(first, {
    source: CLIENT.address,
    sourcePort: 2070,
    destination: SERVER.address,
    destinationPort: 69,
  });
  t.equal(Buffer.from(first?.payload ?? []).toString(), 'hello');
  const view = new DataView(file.buffer);
  t.same([view.getUint32(24), view.getUint32(28)], [1_700_000_000, 123_456]);
  t.match(summarizePcap(file), { packets: 2, from: at / 1000, to: (at + 1_000_001) / 1000 });
  t.same(summarizePcap(encodePcap([])), { packets: 0 });
  t.end();
});

t.test('what is no capture, or a part of one, is said to be none', (t) => {
  const file = encodePcap([{ at: 0, bytes: frame(new Uint8Array(4)), wireLength: 46 }]);
  for (const length of [0, 3, 23, 25, 40, file.length - 1])
    t.throws(() => summarizePcap(file.subarray(0, length)), RangeError, `${length} bytes`);
  t.throws(() => summarizePcap(new Uint8Array(100)), RangeError);
  t.end();
});
