import t from 'tap';
import { crowdedAddresses } from '../../src/boot/crowded-addresses.ts';
import type { Ipv4 } from '../../src/machine/ipv4.ts';

t.test('an address is crowded from its share on, and nobody without one is', (t) => {
  const [one, other] = [1 as Ipv4, 2 as Ipv4];
  const holders = [{ address: one }, { address: other }, {}, {}, { address: one }];
  t.strictSame([...crowdedAddresses(holders, 2)], [one]);
  t.strictSame([...crowdedAddresses(holders, 1)], [one, other]);
  t.strictSame([...crowdedAddresses(holders, 3)], []);
  t.end();
});
