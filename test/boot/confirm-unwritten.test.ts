import t from 'tap';
import { confirmUnwritten } from '../../src/boot/confirm-unwritten.ts';
import { type Ipv4, parseIpv4 } from '../../src/machine/ipv4.ts';

const address = parseIpv4('10.77.0.100') as Ipv4;
const other = parseIpv4('10.77.0.101') as Ipv4;
const now = 1_700_000_000_000;
const lease = (seconds: number, state = 'bound') => ({ state, expiresAt: now + seconds * 1000 });

t.test('what is confirmed without being written is what a restart would know anyway', async (t) => {
  const rows: [string, Partial<Parameters<typeof confirmUnwritten>[0]>, number | undefined][] = [
    ['a machine that has nothing', {}, undefined],
    ['the time that its lease has left', { lease: lease(1800) }, 1800],
    ['never more than a lease lasts', { lease: lease(7200) }, 3600],
    ['a lease that is about to end', { lease: lease(59) }, undefined],
    ['one that has ended', { lease: lease(-1) }, undefined],
    ['one that was given back', { lease: lease(1800, 'released') }, undefined],
    ['its reservation', { reservation: address }, 600],
    ['its reservation, and a lease that lasts longer', { reservation: address, lease: lease(1800) }, 1800],
    ['a reservation of another address', { reservation: other }, undefined],
    ['short leases', { reservation: address, leaseTime: 30 }, 30],
  ];
  for (const [name, more, seconds] of rows) {
    const given = { address, leaseTime: 3600, lease: undefined, reservation: undefined, now, ...more };
    t.equal(confirmUnwritten(given), seconds, name);
  }
});
