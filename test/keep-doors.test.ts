import t from 'tap';
import { TinderboxError } from '../src/errors.ts';
import { keepDoors, type OpenDoor } from '../src/keep-doors.ts';
import { formatIpv4 } from '../src/machine/ipv4.ts';
import type { NetworkInterface } from '../src/net/port.ts';
import { ip } from './support/make-environment.ts';

const nic = (...addresses: string[]): NetworkInterface => ({
  name: 'eth1',
  addresses: addresses.map((address) => ({ address: ip(address), prefix: 24 })),
  mtu: 1500,
  up: true,
});

/** One door an address; `held` refuse to open. */
function makeDoors(fits?: OpenDoor['fits']) {
  const happened: string[] = [];
  const held = new Set<string>();
  const jammed = new Set<string>();
  const doors = keepDoors(({ addresses }) =>
    addresses.map(({ address }) => {
      const key = formatIpv4(address);
      return {
        key,
        async open() {
          if (held.has(key)) throw new TinderboxError('in-use', `${key} is held`);
          happened.push(`open ${key}`);
          return {
            async leave() {
              if (jammed.has(key)) throw new Error(`${key} is jammed`);
              happened.push(`leave ${key}`);
            },
            stop: async () => void happened.push(`stop ${key}`),
            ...(fits === undefined ? {} : { fits }),
          };
        },
      };
    }),
  );
  return { doors, held, jammed, happened: () => happened.splice(0) };
}

t.test('only what changed is closed and opened, and what closes does so first', async (t) => {
  const { doors, happened } = makeDoors();
  t.strictSame(await doors.follow(nic('10.77.0.1', '10.77.0.2')), []);
  t.strictSame(happened(), ['open 10.77.0.1', 'open 10.77.0.2']);
  await doors.follow(nic('10.77.0.1', '10.77.0.2'));
  t.strictSame(happened(), []);
  await doors.follow(nic('10.77.0.3', '10.77.0.1'));
  t.strictSame(happened(), ['leave 10.77.0.2', 'open 10.77.0.3']);
  t.equal(doors.count(), 2);
});

t.test('without its interface nothing stays open', async (t) => {
  const { doors, happened } = makeDoors();
  await doors.follow(nic('10.77.0.1'));
  await doors.follow(undefined);
  t.strictSame(happened(), ['open 10.77.0.1', 'leave 10.77.0.1']);
  t.equal(doors.count(), 0);
  await doors.stop();
  t.strictSame(happened(), []);
});

t.test('one that is refused keeps no other from opening, and is tried at the next turn', async (t) => {
  const { doors, held, happened } = makeDoors();
  held.add('10.77.0.1');
  t.match(await doors.follow(nic('10.77.0.1', '10.77.0.2')), [
    { code: 'in-use', message: '10.77.0.1 is held' },
  ]);
  t.strictSame(happened(), ['open 10.77.0.2']);
  held.clear();
  t.strictSame(await doors.follow(nic('10.77.0.1', '10.77.0.2')), []);
  t.strictSame(happened(), ['open 10.77.0.1']);
});

t.test('one that says that it fits no more is opened anew under the same key', async (t) => {
  const { doors, happened } = makeDoors(({ mtu }) => mtu === 1500);
  await doors.follow(nic('10.77.0.1'));
  await doors.follow({ ...nic('10.77.0.1'), mtu: 9000 });
  t.strictSame(happened(), ['open 10.77.0.1', 'leave 10.77.0.1', 'open 10.77.0.1']);
});

t.test('one that does not close is told, keeps no other waiting, and is tried again', async (t) => {
  const { doors, jammed, happened } = makeDoors();
  await doors.follow(nic('10.77.0.1', '10.77.0.2'));
  happened();
  jammed.add('10.77.0.1');
  t.match(await doors.follow(nic('10.77.0.3')), [{ message: /10\.77\.0\.1 is jammed/ }]);
  t.strictSame(happened(), ['leave 10.77.0.2', 'open 10.77.0.3']);
  t.equal(doors.count(), 1);
  jammed.clear();
  t.strictSame(await doors.follow(nic('10.77.0.3')), []);
  t.strictSame(happened(), ['leave 10.77.0.1']);
  await doors.stop();
  t.strictSame(happened(), ['stop 10.77.0.3']);
});

t.test('to stop is to stop each that is open', async (t) => {
  const { doors, happened } = makeDoors();
  await doors.follow(nic('10.77.0.1', '10.77.0.2'));
  happened();
  await doors.stop();
  t.strictSame(happened(), ['stop 10.77.0.1', 'stop 10.77.0.2']);
});
