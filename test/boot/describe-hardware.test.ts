import t from 'tap';
import { cardParts, describeCpu, diskParts, formatBytes } from '../../src/boot/describe-hardware.ts';

t.test('sizes are as people call them', async (t) => {
  const sizes = [-1, 0, 1023, 1024, 536_870_912, 16_374_562_816, 1_920_383_410_176, 2 ** 53];
  t.strictSame(sizes.map(formatBytes), [
    '0 B',
    '0 B',
    '1023 B',
    '1 KiB',
    '512 MiB',
    '15.3 GiB',
    '1.7 TiB',
    '8 PiB',
  ]);
});

t.test('what is not known of a part is left out', async (t) => {
  t.equal(describeCpu({ model: 'EPYC', count: 2 }), '2 × EPYC');
  t.equal(describeCpu({ model: 'EPYC' }), 'EPYC');
  t.strictSame(diskParts({ name: 'sda' }), []);
  t.strictSame(diskParts({ name: 'sda', model: 'MZ7', bytes: 1024 ** 3 }), ['1 GiB', 'MZ7']);
  t.strictSame(cardParts({ name: 'eno1' }), []);
  t.strictSame(cardParts({ name: 'eno1', mac: 'aa', driver: 'igb', speed: 100, link: false }), [
    'aa',
    'igb',
    '100 Mbit/s',
    'no link',
  ]);
});
