import t from 'tap';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { addToSum } from '../../src/protocol/pcap/internet-checksum.ts';
import type { SeenDatagram } from '../../src/servers/port.ts';
import { createFlightRecorder, type FlightRecorderOptions } from '../../src/store/flight-recorder.ts';
import type { Rank } from '../../src/store/ranked-table.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const OTHER = '52:54:00:00:00:02' as Mac;
const SERVER = { address: 0x0a4d0001 as Ipv4, port: 67 };
const CLIENT = { address: 0x0a4d0005 as Ipv4, port: 68 };
/** Of a packet of 100 bytes. */
const COST = 356;

function makeRecorder(options: Partial<FlightRecorderOptions> = {}) {
  let up = 0;
  const errors: unknown[] = [];
  const recorder = createFlightRecorder({
    macAt: () => undefined,
    rankOf: () => 1,
    clock: () => 1_000_000 + Math.floor(up),
    uptime: () => up,
    complain: (error) => void errors.push(error),
    ...options,
  });
  const see = (text: string, change: Partial<SeenDatagram> = {}): void => {
    up += 0.5;
    const payload = Buffer.from(text.padEnd(100));
    recorder.record({
      plane: 'dhcp',
      direction: 'received',
      via: 'eth1',
      mac: MAC,
      from: CLIENT,
      to: SERVER,
      payload,
      ...change,
    });
  };
  const texts = (mac = MAC): string[] =>
    recorder.packetsOf(mac).map(({ payload }) => Buffer.from(payload).toString('latin1').trim());
  return { recorder, see, texts, errors };
}

const strangers = (count: number): Mac[] =>
  Array.from(
    { length: count },
    (_, n) =>
      `02:00:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}` as Mac,
  );

t.test('the packets of a machine come back in their order, with microseconds', (t) => {
  const { recorder, see, texts } = makeRecorder();
  see('discover');
  see('read', { plane: 'tftp' });
  see('offer', { direction: 'sent', from: SERVER, to: CLIENT });
  see('another', { mac: OTHER });
  t.same(texts(), ['discover', 'read', 'offer']);
  t.same(
    recorder.packetsOf(MAC).map(({ at }) => at),
    [1_000_000_500, 1_000_001_000, 1_000_001_500],
  );
  const window = { from: 1_000_001_000, to: 1_000_001_200 };
  t.equal(recorder.packetsOf(MAC, window).length, 1, 'or those of a time');
  t.same(recorder.size(), { machines: 2, packets: 4, bytes: 4 * COST });
  t.end();
});

t.test('a machine has so many bytes in each plane, and the oldest go first', (t) => {
  const perPlane = { dhcp: 3 * COST, tftp: COST, syslog: 2 * COST };
  const { recorder, see, texts } = makeRecorder({ limits: { perPlane } });
  for (const name of ['d1', 'd2', 'd3', 'd4']) see(name);
  for (const name of ['t1', 't2']) see(name, { plane: 'tftp' });
  for (let n = 0; n < 1000; n++) see(`line ${n}`, { plane: 'syslog' });
  t.same(texts(), ['d2', 'd3', 'd4', 't2', 'line 998', 'line 999']);
  t.equal(recorder.size().bytes, 6 * COST);
  t.end();
});

const BOUNDS: readonly { readonly what: string; readonly limits: FlightRecorderOptions['limits'] }[] = [
  { what: 'so many machines', limits: { machines: 10 } },
  { what: 'so many bytes', limits: { bytes: 20 * COST } },
];
for (const { what, limits } of BOUNDS) {
  t.test(`strangers push out strangers, and neither who boots nor who is listed: ${what}`, (t) => {
    const ranks = new Map<Mac, Rank>([
      [MAC, 3],
      [OTHER, 2],
    ]);
    const { recorder, see, texts } = makeRecorder({
      rankOf: (mac) => ranks.get(mac) ?? 1,
      ...(limits === undefined ? {} : { limits }),
    });
    see('listed');
    see('boots', { mac: OTHER });
    for (const mac of strangers(500)) {
      see('flood', { mac });
      see('flood again', { mac });
    }
    t.same(texts(), ['listed']);
    t.same(texts(OTHER), ['boots']);
    t.same(texts(strangers(500).at(-1)), ['flood', 'flood again'], 'the newest is kept');
    t.same(texts(strangers(1)[0]), [], 'the oldest is not');
    const { machines, packets, bytes } = recorder.size();
    t.ok(machines <= 10 || limits?.machines === undefined);
    t.ok(bytes <= 20 * COST);
    t.equal(bytes, packets * COST, 'what it counts is what it holds');
    t.end();
  });
}

t.test('where all are listed a newcomer still finds room, for one', (t) => {
  const listed = strangers(10);
  const { see, texts } = makeRecorder({
    rankOf: (mac) => (listed.includes(mac) ? 3 : 0),
    limits: { machines: 10, bytes: 12 * COST },
  });
  for (const mac of listed) see('listed', { mac });
  see('new', { mac: MAC });
  see('newer', { mac: OTHER });
  t.same(texts(OTHER), ['newer']);
  t.same(texts(MAC), []);
  t.equal(listed.filter((mac) => texts(mac).length > 0).length, 9);
  t.end();
});

t.test('a client whose machine is found out later is this machine’s then', (t) => {
  let owner: Mac | undefined;
  const { recorder, see, texts } = makeRecorder({
    macAt: (address) => (address === CLIENT.address ? owner : undefined),
  });
  const { mac: _mac, ...unknown } = { mac: undefined, plane: 'tftp' } as const;
  const seeUnknown = (text: string) =>
    recorder.record({
      ...unknown,
      direction: 'received',
      via: 'eth1',
      from: CLIENT,
      to: SERVER,
      payload: Buffer.from(text),
    });
  seeUnknown('read');
  t.same(texts(), []);
  owner = MAC;
  seeUnknown('read again');
  see('discover');
  t.same(texts(), ['read', 'read again', 'discover']);
  recorder.forget(MAC);
  t.same(texts(), [], 'and forgotten with it');
  t.same(recorder.size(), { machines: 0, packets: 0, bytes: 0 });
  t.end();
});

const TOKEN = `12-${'aB3_'.repeat(8)}`;
const SECRETS: readonly { readonly sent: string; readonly kept: string }[] = [
  {
    sent: `http://10.77.0.1/boot/${TOKEN}/cloud-config`,
    kept: `http://10.77.0.1/boot/12${'x'.repeat(33)}/cloud-config`,
  },
  { sent: `token ${TOKEN} alone`, kept: `token 12-${'x'.repeat(32)} alone` },
  { sent: 'cut off: /boot/12-aB3_aB3', kept: `cut off: /boot/12${'x'.repeat(8)}` },
  { sent: 'nothing to hide: /assets/vmlinuz', kept: 'nothing to hide: /assets/vmlinuz' },
];
t.test('no session token is kept, and lengths and sums are those of what is kept', (t) => {
  for (const { sent, kept } of SECRETS) {
    const { recorder, see, texts } = makeRecorder();
    see(sent, { plane: 'syslog' });
    t.same(texts(), [kept]);
    const [packet] = recorder.packetsOf(MAC);
    t.same(packet?.whole, { length: 100, sum: addToSum(packet?.payload ?? new Uint8Array(0)) });
  }
  t.end();
});

t.test('of a long datagram its beginning is kept, and how long it was', (t) => {
  const { recorder, see } = makeRecorder();
  const payload = new Uint8Array(9000).fill(1);
  see('', { payload });
  see('', { payload, snap: 64 });
  const [whole, snapped] = recorder.packetsOf(MAC);
  t.equal(whole?.payload.length, 2048);
  t.equal(snapped?.payload.length, 64);
  for (const packet of [whole, snapped]) t.same(packet?.whole, { length: 9000, sum: addToSum(payload) });
  t.end();
});

t.test('what fails inside is told once, and never to the server', (t) => {
  const { recorder, see, texts, errors } = makeRecorder({
    rankOf: () => {
      throw new Error('the catalog is gone');
    },
  });
  see('discover');
  t.match(errors, [{ message: 'the catalog is gone' }]);
  t.same(texts(), []);
  t.same(recorder.size(), { machines: 0, packets: 0, bytes: 0 });
  t.end();
});
