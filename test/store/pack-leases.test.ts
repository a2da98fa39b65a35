import t from 'tap';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { packLeases, unpackLeases } from '../../src/store/pack-leases.ts';
import type { Lease } from '../../src/store/port.ts';

t.test('leases are the same on the other side of the thread’s border', async (t) => {
  const lease: Lease = {
    address: 0xff4d0064 as Ipv4,
    mac: '52:54:00:12:34:56' as Mac,
    state: 'bound',
    expiresAt: 1_795_849_884_235,
    via: 'eth1',
  };
  const leases: readonly Lease[] = [
    lease,
    { ...lease, hostname: 'node-1' },
    { ...lease, state: 'released' },
    { ...lease, state: 'declined', via: '' },
  ];
  t.same(unpackLeases(structuredClone(packLeases(leases))), leases);
  t.same(unpackLeases(packLeases([])), []);
});
