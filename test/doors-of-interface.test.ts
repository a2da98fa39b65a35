import t from 'tap';
import { keepHttpDoors } from '../src/doors-of-interface.ts';
import type { HttpPlace } from '../src/http/port.ts';
import type { NetworkInterface } from '../src/net/port.ts';
import { ip } from './support/make-environment.ts';

const nic = (index: number, ...addresses: string[]): NetworkInterface => ({
  name: 'eth1',
  addresses: addresses.map((address) => ({ address: ip(address), prefix: 24 })),
  mtu: 1500,
  up: true,
  index,
});

const placeOf = ({ host, via, fd }: HttpPlace) => `${host} ${via} ${fd ?? 'own'}`;

/** HTTP's doors, with the descriptors that are there for whoever asks. */
function makeDoors(...descriptors: number[]) {
  const happened: string[] = [];
  const isCovered = descriptors.length > 0;
  const http = {
    async open(places: readonly HttpPlace[]) {
      happened.push(...places.map((place) => `open ${placeOf(place)}`));
      return { close: () => void happened.push(...places.map((place) => `close ${placeOf(place)}`)) };
    },
  };
  const doors = { httpDescriptor: () => descriptors.shift(), coversDevice: () => isCovered };
  return {
    doors: keepHttpDoors('eth1', http, doors),
    happened: () => happened.splice(0),
    left: () => descriptors.length,
  };
}

t.test('HTTP listens on each address, also of one that was made again with the same', async (t) => {
  const { doors, happened } = makeDoors();
  await doors.follow(nic(3, '10.77.0.1', '10.78.0.1'));
  t.strictSame(happened(), ['open 10.77.0.1 eth1 own', 'open 10.78.0.1 eth1 own']);
  await doors.follow(nic(4, '10.77.0.1'));
  t.strictSame(happened(), ['close 10.78.0.1 eth1 own']);
});

t.test('an inherited descriptor stays whatever the addresses are, and dies with its device', async (t) => {
  const { doors, happened, left } = makeDoors(5, 6);
  await doors.follow(nic(3, '10.77.0.1'));
  await doors.follow(nic(3, '10.77.0.2'));
  await doors.follow(nic(3));
  t.strictSame(happened(), ['open 0.0.0.0 eth1 5']);
  t.equal(left(), 1, 'a descriptor that is not used is not asked for');
  await doors.follow(nic(4, '10.77.0.2'));
  t.strictSame(happened(), ['close 0.0.0.0 eth1 5', 'open 0.0.0.0 eth1 6']);
});

t.test('without its descriptor HTTP does not listen where it would serve other networks', async (t) => {
  const { doors, happened } = makeDoors(5);
  await doors.follow(nic(3, '10.77.0.1'));
  await doors.follow(undefined);
  t.strictSame(happened(), ['open 0.0.0.0 eth1 5', 'close 0.0.0.0 eth1 5']);
  t.match(await doors.follow(nic(3, '10.77.0.1')), [{ code: 'unavailable', message: /its socket is gone/ }]);
  t.strictSame(happened(), []);
});
