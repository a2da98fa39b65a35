import t from 'tap';
import { parseIpv4 } from '../src/machine/ipv4.ts';
import type { Catalog } from '../src/machine/role.ts';
import { rememberReservations } from '../src/remember-reservations.ts';

t.test('the reserved addresses of a catalog are gathered once, and anew for the next', async (t) => {
  const address = parseIpv4('10.77.0.20');
  const catalog = {
    machines: new Map(
      [
        [1, { address }],
        [2, {}],
      ].map(([mac, machine]) => [mac, machine]),
    ),
  };
  const reservedIn = rememberReservations();
  const first = reservedIn(catalog as unknown as Catalog);
  t.same([...first], [address]);
  t.equal(reservedIn(catalog as unknown as Catalog), first);
  t.same([...reservedIn({ machines: new Map() } as unknown as Catalog)], []);
});
