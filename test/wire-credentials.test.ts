import t from 'tap';
import type { Config } from '../src/config/port.ts';
import { DEFAULT_CREDENTIALS } from '../src/machine/identity.ts';
import type { Ipv4 } from '../src/machine/ipv4.ts';
import type { Mac } from '../src/machine/mac.ts';
import type { AddressHolder } from '../src/store/port.ts';
import { factsOf } from '../src/wire-credentials.ts';
import { ip, makeCatalog } from './support/make-environment.ts';
import { makeRole } from './support/make-role.ts';

const alice = '52:54:00:00:00:0a' as Mac;
const bob = '52:54:00:00:00:0b' as Mac;
const HERE = ip('10.77.0.20');

interface World {
  readonly user?: Mac;
  readonly lease?: Pick<AddressHolder, 'mac' | 'state'>;
  readonly reservedTo?: Mac;
  readonly identity?: 'worker' | 'none';
  readonly cluster?: boolean;
  readonly reserved?: Ipv4;
}

/** Which addresses the certificates of alice may hold, who asks from HERE. */
function addressesIn(world: World): readonly Ipv4[] {
  const { identity = 'worker', reservedTo, lease, user, reserved } = world;
  const entry = { mac: reservedTo ?? bob, line: 1, parameters: {}, address: HERE };
  return factsOf(
    {
      config: { cluster: world.cluster === false ? undefined : {} } as unknown as Config,
      catalog: {
        current: () =>
          makeCatalog([], { machines: new Map(reservedTo === undefined ? [] : [[reservedTo, entry]]) }),
      },
      journal: { addressUser: () => user },
      leases: { holderOf: () => (lease === undefined ? undefined : { ...lease, until: 9 }) },
    },
    {
      mac: alice,
      remote: HERE,
      plan: {
        kind: 'boot',
        role: { ...makeRole('worker'), identity, credentials: DEFAULT_CREDENTIALS },
        hostname: 'node-1',
        parameters: {},
        reasons: [],
        ...(reserved === undefined ? {} : { address: reserved }),
      },
    },
  ).addresses;
}

t.test('certificates hold the address that a machine asks from, if it is no other machine’s', (t) => {
  t.same(addressesIn({}), [HERE]);
  t.same(addressesIn({ user: alice, reservedTo: alice }), [HERE]);
  t.same(addressesIn({ user: bob, lease: { mac: alice, state: 'bound' } }), [HERE]);
  t.same(addressesIn({ user: bob, reserved: ip('10.77.0.9') }), [ip('10.77.0.9')]);
  const rows: [string, World][] = [
    ['reserved', { reservedTo: bob }],
    ['in use', { user: bob }],
    ['in use, and only offered to it', { user: bob, lease: { mac: alice, state: 'offered' } }],
  ];
  for (const [name, world] of rows) {
    t.throws(
      () => addressesIn(world),
      { code: 'refused', message: /0a .*10\.77\.0\.20.* 52:54:00:00:00:0b/ },
      name,
    );
  }
  t.end();
});

t.test('who gets no certificates is asked for no address of its own', (t) => {
  t.same(addressesIn({ identity: 'none', reservedTo: bob, user: bob }), []);
  t.same(addressesIn({ cluster: false, reservedTo: bob, user: bob }), []);
  t.end();
});
