import t from 'tap';
import { capturePackets } from '../src/capture-packets.ts';
import { type Ipv4, LIMITED_BROADCAST } from '../src/machine/ipv4.ts';
import type { Mac } from '../src/machine/mac.ts';
import { addToSum } from '../src/protocol/pcap/internet-checksum.ts';
import type { KeptPacket } from '../src/store/flight-recorder.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const SERVER_MAC = '02:00:00:00:00:99' as Mac;
const payload = Buffer.from('packet');
const client = { address: 0x0a4d0005 as Ipv4, port: 68 };
const server = { address: 0x0a4d0001 as Ipv4, port: 67 };
const packet: KeptPacket = {
  at: 5_000_000,
  direction: 'received',
  via: 'eth1',
  from: client,
  to: server,
  payload,
  whole: { length: payload.length, sum: addToSum(payload) },
};

const CASES: readonly { readonly what: string; readonly packet: KeptPacket; readonly macs: string }[] = [
  { what: 'asked', packet, macs: '020000000099 525400123456' },
  {
    what: 'broadcast',
    packet: { ...packet, to: { address: LIMITED_BROADCAST, port: 67 } },
    macs: 'ffffffffffff 525400123456',
  },
  {
    what: 'answered',
    packet: { ...packet, direction: 'sent', from: server, to: client },
    macs: '525400123456 020000000099',
  },
  {
    what: 'of an interface that is gone',
    packet: { ...packet, via: 'eth9' },
    macs: '020000000000 525400123456',
  },
];

t.test('frames get the hardware addresses of the machine and of the interface', (t) => {
  for (const { what, packet, macs } of CASES) {
    const file = capturePackets(
      { recorder: { packetsOf: () => [packet] }, macOf: (via) => (via === 'eth1' ? SERVER_MAC : undefined) },
      MAC,
    );
    const hex = Buffer.from(file?.subarray(40, 52) ?? []).toString('hex');
    t.equal(`${hex.slice(0, 12)} ${hex.slice(12)}`, macs, what);
  }
  t.end();
});

t.test('a session has what came from shortly before it opened until the next one did', (t) => {
  const asked: unknown[] = [];
  const recorder = {
    packetsOf(_mac: Mac, window: unknown) {
      asked.push(window);
      return [];
    },
  };
  t.equal(capturePackets({ recorder, macOf: () => undefined }, MAC, { from: 10_000, to: 20_000 }), undefined);
  t.same(asked, [{ from: 9_995_000, to: 19_995_000 }]);
  t.end();
});
