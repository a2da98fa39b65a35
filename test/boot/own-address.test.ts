import t from 'tap';
import { type AddressClaims, ownAddress } from '../../src/boot/own-address.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { ip } from '../support/make-environment.ts';

const alice = '52:54:00:00:00:0a' as Mac;
const bob = '52:54:00:00:00:0b' as Mac;
const HERE = ip('10.77.0.20');

const claims = (more: Partial<Record<'reservedFor' | 'leasedTo' | 'usedBy', Mac>> = {}): AddressClaims => ({
  mac: alice,
  reserved: undefined,
  remote: HERE,
  reservedFor: () => more.reservedFor,
  leasedTo: () => more.leasedTo,
  usedBy: () => more.usedBy,
});

t.test('a machine’s address is the reserved one, else the one that it asks from', (t) => {
  const rows: [string, AddressClaims, ReturnType<typeof ip> | undefined][] = [
    ['nobody else’s', claims(), HERE],
    ['its own in every way', claims({ reservedFor: alice, leasedTo: alice, usedBy: alice }), HERE],
    [
      'leased to it, and another machine booted from it before',
      claims({ leasedTo: alice, usedBy: bob }),
      HERE,
    ],
    ['leased to another of its cards', claims({ leasedTo: bob }), HERE],
    ['unknown', { ...claims(), remote: undefined }, undefined],
    [
      'reserved, wherever it asks from',
      { ...claims({ reservedFor: bob, usedBy: bob }), reserved: ip('10.77.0.9') },
      ip('10.77.0.9'),
    ],
  ];
  for (const [name, input, address] of rows) t.equal(ownAddress(input), address, name);
  t.end();
});

t.test('an address of another machine is refused, with both named', (t) => {
  const rows: [string, AddressClaims, RegExp][] = [
    ['reserved', claims({ reservedFor: bob }), /0a asks from 10\.77\.0\.20, which .* reserves to 52.*0b$/],
    ['reserved, though leased', claims({ reservedFor: bob, leasedTo: alice }), /reserves/],
    ['in use', claims({ usedBy: bob }), /0a asks from 10\.77\.0\.20, from where 52.*0b booted/],
    ['in use and leased', claims({ usedBy: bob, leasedTo: bob }), /booted/],
  ];
  for (const [name, input, message] of rows) {
    t.throws(() => ownAddress(input), { code: 'refused', message }, name);
  }
  t.end();
});
