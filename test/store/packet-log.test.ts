import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import {
  createPacketStore,
  newPacketLog,
  type PacketHead,
  type PacketLog,
} from '../../src/store/packet-log.ts';

const head = (number: number, length: number): PacketHead => ({
  number,
  at: 1_795_849_884_235_001 + number,
  length,
  sum: number * 70_000,
  fromAddress: 0xff_4d_00_05,
  fromPort: 65_535,
  toAddress: 0x0a_4d_00_01,
  toPort: 67,
  sent: number % 2 === 1,
  via: number % 3,
});

t.test(
  'packets come back as they went in, whatever was dropped between, here or of another machine',
  async () => {
    const log = fc.nat(2);
    const step = fc.oneof(
      fc.record({ log, payload: fc.uint8Array({ maxLength: 1500 }), cut: fc.nat(1500) }),
      fc.record({ log }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const store = createPacketStore();
        const logs = Array.from({ length: 3 }, () => ({
          log: newPacketLog(),
          expected: [] as (PacketHead & { payload: Uint8Array })[],
        }));
        for (const [number, one] of steps.entries()) {
          const { log, expected } = logs[one.log] as (typeof logs)[number];
          if (!('payload' in one)) {
            if (store.dropOldest(log) !== expected.shift()?.payload.length) return false;
            continue;
          }
          const kept = Math.min(one.cut, one.payload.length);
          const packet = head(number, one.payload.length);
          // Copied: whoever gave it may write over it.
          const given = one.payload.slice();
          store.append(log, packet, given, kept);
          given.fill(0xee);
          expected.push({ ...packet, payload: one.payload.slice(0, kept) });
        }
        return logs.every(
          ({ log, expected }) =>
            log.count === expected.length && isDeepStrictEqual([...store.read(log)], expected),
        );
      }),
    );
  },
);

t.test('blocks of what was dropped are used again, of whatever machine', async (t) => {
  const store = createPacketStore();
  const logs = Array.from({ length: 100 }, newPacketLog);
  const write = (number: number): void => {
    const log = logs[number % logs.length] as PacketLog;
    store.append(log, head(number, 700), new Uint8Array(700), 700);
    if (log.count > 10) store.dropOldest(log);
  };
  for (let number = 0; number < 1200; number++) write(number);
  const { length } = logs.filter(({ count }) => count === 10);
  t.equal(length, 100);
  const size = store.size();
  // Two blocks each.
  t.ok(size >= 1000 * 700 && size <= 1000 * 800 + 200_000, String(size));
  for (let number = 0; number < 10_000; number++) write(number);
  t.equal(store.size(), size);
});

for (const [what, length, packets] of [
  ['the smallest packets', 1, 3000],
  ['large packets', 2048, 300],
  ['packets of DHCP', 350, 1000],
] as const) {
  t.test(`the room for ${what} is less than twice of what the recorder's bound counts`, async (t) => {
    const store = createPacketStore();
    // flight-recorder.ts allows 256 bytes for what is beside each.
    const counted = packets * (length + 256);
    for (let number = 0; number < packets; number++)
      store.append(newPacketLog(), head(number, length), new Uint8Array(length), length);
    t.ok(store.size() < 2 * counted, `${store.size()} bytes for ${counted}`);
  });
}
