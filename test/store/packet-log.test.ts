import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import {
  appendPacket,
  dropOldestPacket,
  newPacketLog,
  type PacketHead,
  readPackets,
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

t.test('packets come back as they went in, whatever was dropped between', async () => {
  const step = fc.oneof(
    fc.record({ payload: fc.uint8Array({ maxLength: 600 }), cut: fc.nat(600) }),
    fc.constant('drop' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const log = newPacketLog();
      const expected: (PacketHead & { payload: Uint8Array })[] = [];
      for (const [number, one] of steps.entries()) {
        if (one === 'drop') {
          if (dropOldestPacket(log) !== expected.shift()?.payload.length) return false;
          continue;
        }
        const kept = Math.min(one.cut, one.payload.length);
        const packet = head(number, one.payload.length);
        // Copied: whoever gave it may write over it.
        const given = one.payload.slice();
        appendPacket(log, packet, given, kept);
        given.fill(0xee);
        expected.push({ ...packet, payload: one.payload.slice(0, kept) });
      }
      const found = [...readPackets(log)];
      return log.count === expected.length && isDeepStrictEqual(found, expected);
    }),
  );
});

t.test('a log that is full for ever stays within four times what it holds', async (t) => {
  const log = newPacketLog();
  for (let number = 0; number < 10_000; number++) {
    appendPacket(log, head(number, 300), new Uint8Array(300), 300);
    if (log.count > 10) dropOldestPacket(log);
  }
  t.equal(log.count, 10);
  t.ok(log.room.length <= 4 * 10 * 348, String(log.room.length));
});

for (const [what, length, packets] of [
  ['one large packet', 2048, 1],
  ['many large packets', 2048, 20],
  ['many of DHCP', 350, 90],
] as const) {
  t.test(`the room for ${what} is less than twice of what the recorder's bound counts`, async (t) => {
    const log = newPacketLog();
    // flight-recorder.ts allows 256 bytes for what is beside each.
    const counted = packets * (length + 256);
    for (let number = 0; number < packets; number++)
      appendPacket(log, head(number, length), new Uint8Array(length), length);
    t.ok(log.room.length < 2 * counted, `${log.room.length} bytes for ${counted}`);
  });
}

t.test('one room is enough for the four packets by which a machine gets its address', async (t) => {
  const log = newPacketLog();
  appendPacket(log, head(0, 350), new Uint8Array(350), 350);
  const { room } = log;
  for (let number = 1; number < 4; number++) appendPacket(log, head(number, 350), new Uint8Array(350), 350);
  t.equal(log.room, room);
});
