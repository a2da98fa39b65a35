import t from 'tap';
import type { Mac } from '../src/machine/mac.ts';
import { servedBefore } from '../src/served-before.ts';
import type { Lease } from '../src/store/port.ts';
import { ip, SUBNET } from './support/make-environment.ts';

const NOW = 1_700_000_000_000;
const lease = (address: string, expiresAt: number): Lease => ({
  address: ip(address),
  mac: '52:54:00:00:00:01' as Mac,
  state: 'bound',
  expiresAt,
  via: 'eth1',
});

t.test('only leases of the networks that are served now count', async (t) => {
  const networks = { subnets: [SUBNET] };
  t.equal(servedBefore([], networks, false, NOW), false);
  t.equal(servedBefore([lease('10.77.0.100', NOW)], networks, false, NOW), true);
  t.equal(servedBefore([lease('10.99.0.100', NOW)], networks, false, NOW), false, 'it served elsewhere');
  t.equal(servedBefore([lease('10.77.0.100', 1), lease('10.77.0.101', NOW)], networks, false, NOW), true);
  t.equal(servedBefore([], networks, true, NOW), true);
});
