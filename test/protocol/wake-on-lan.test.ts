import t from 'tap';
import type { Mac } from '../../src/machine/mac.ts';
import { encodeMagicPacket } from '../../src/protocol/wake-on-lan.ts';

t.test('a magic packet is six bytes of ones and the MAC sixteen times', async (t) => {
  const packet = Buffer.from(encodeMagicPacket('52:54:00:12:34:56' as Mac)).toString('hex');
  t.equal(packet, 'ffffffffffff' + '525400123456'.repeat(16));
});
