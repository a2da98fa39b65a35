import t from 'tap';
import { isSameHardware, readHardware, summarizeHardware } from '../../src/boot/read-hardware.ts';
import type { Hardware } from '../../src/machine/hardware.ts';

const read = (value: unknown) => readHardware(value, 'linux', 7);

t.test('what a machine says of itself is kept as it said it', async (t) => {
  const said = {
    cpu: { model: 'AMD EPYC 7302P 16-Core Processor', count: 32 },
    memory: 67_108_864_000,
    board: 'Supermicro H11SSL-i',
    disks: [{ name: 'nvme0n1', model: 'SAMSUNG MZQL21T9HCJR', bytes: 1_920_383_410_176 }, { name: 'vda' }],
    network: [
      { name: 'eno1', mac: '3c:ec:ef:00:00:01', driver: 'igb', speed: 1000, link: true },
      { name: 'eno2', link: false },
    ],
    firmware: { kind: 'uefi', vendor: 'AMI', version: '2.1', date: '02/21/2020', secureBoot: false },
  };
  const hardware = read(said);
  t.strictSame(hardware, { at: 7, source: 'linux', ...said });
  t.equal(
    summarizeHardware(hardware as Hardware),
    '32 × AMD EPYC 7302P 16-Core Processor, 62.5 GiB memory, 2 disks, 2 network cards',
  );
});

t.test('what is hostile or nonsense is left out, and the rest stays', async (t) => {
  const bare = { at: 7, source: 'linux', disks: [], network: [] };
  const rows: readonly (readonly [string, unknown, unknown])[] = [
    ['controls', { board: 'A\u001b[2JB\nC\u0000' }, { ...bare, board: 'ABC' }],
    ['a direction that turns around', { board: 'a\u202eb' }, { ...bare, board: 'ab' }],
    [
      'markup is text',
      { board: '<img src=x onerror=alert(1)>' },
      { ...bare, board: '<img src=x onerror=alert(1)>' },
    ],
    ['a long text', { board: 'x'.repeat(10_000) }, { ...bare, board: 'x'.repeat(96) }],
    ['half a character', { board: `${'x'.repeat(95)}😀` }, { ...bare, board: `${'x'.repeat(95)}\ufffd` }],
    [
      "a session's token",
      { board: `http://s/boot/1-${'a'.repeat(32)}/x` },
      { ...bare, board: 'http://s/boot/1-…/x' },
    ],
    ['numbers that are none', { memory: -1, board: 'b' }, { ...bare, board: 'b' }],
    ['too large a number', { memory: 1e300, board: 'b' }, { ...bare, board: 'b' }],
    ['a fraction', { memory: 1.5, board: 'b' }, { ...bare, board: 'b' }],
    ['texts for numbers', { memory: '1024', board: 'b' }, { ...bare, board: 'b' }],
    ['lists for objects', { cpu: ['x'], firmware: [1], memory: 1 }, { ...bare, memory: 1 }],
    ['objects for lists', { disks: { name: 'x' }, network: 'eth0', memory: 1 }, { ...bare, memory: 1 }],
    ['disks without a name', { disks: [{}, null, 'sda', { name: '' }], memory: 1 }, { ...bare, memory: 1 }],
    ['another firmware', { firmware: { kind: 'coreboot' }, memory: 1 }, { ...bare, memory: 1 }],
    ['unknown keys', { memory: 1, evil: { deep: [] }, at: 99, source: 'x' }, { ...bare, memory: 1 }],
    ['a prototype', JSON.parse('{"__proto__":{"memory":5},"memory":1}'), { ...bare, memory: 1 }],
    [
      'a card without speed or link',
      { network: [{ name: 'e', speed: 0, link: 1 }] },
      { ...bare, network: [{ name: 'e' }] },
    ],
  ];
  for (const [name, said, expected] of rows) t.strictSame(read(said), expected, name);
  for (const nothing of [
    undefined,
    null,
    1,
    'x',
    [],
    {},
    { cpu: {} },
    { cpu: { count: 3 } },
    { disks: [[]] },
  ])
    t.equal(read(nothing), undefined, JSON.stringify(nothing));
});

t.test('however much it says, what is kept is bounded', async (t) => {
  const many = Array.from({ length: 5_000 }, (_, n) => ({
    name: `${'"'.repeat(90)}${n}`,
    model: '\\'.repeat(96),
    driver: '\\'.repeat(96),
  }));
  const hardware = read({ memory: 1, disks: many, network: many }) as Hardware;
  t.ok(JSON.stringify(hardware).length <= 16 * 1024);
  t.ok(hardware.disks.length > 5 && hardware.network.length > 5, 'some of both');
  t.equal(hardware.memory, 1);
});

t.test('the same said again is nothing new', async (t) => {
  const one = readHardware({ memory: 1 }, 'ipxe', 1) as Hardware;
  t.ok(isSameHardware(one, readHardware({ memory: 1 }, 'ipxe', 2) as Hardware));
  t.notOk(isSameHardware(one, readHardware({ memory: 2 }, 'ipxe', 2) as Hardware));
  t.notOk(isSameHardware(undefined, one));
});
