import t from 'tap';
import { compareInterfaces, type InterfaceChange } from '../../src/net/compare-interfaces.ts';
import type { NetworkInterface } from '../../src/net/port.ts';
import { ip } from '../support/make-environment.ts';

const ETH: NetworkInterface = {
  name: 'eth1',
  addresses: [{ address: ip('10.77.0.1'), prefix: 24 }],
  mtu: 1500,
  up: true,
  carrier: true,
  index: 3,
  mac: '52:54:00:00:00:01',
};
const WORLD: NetworkInterface = { ...ETH, name: 'eth0', index: 2, mac: '52:54:00:00:00:99' };
const with2 = [...ETH.addresses, { address: ip('10.78.0.1'), prefix: 16 }];
const { index: _index, mac: _mac, ...bare } = ETH;

interface Row {
  readonly name: string;
  readonly before: readonly NetworkInterface[];
  readonly now: readonly NetworkInterface[];
  readonly changes: readonly InterfaceChange[];
}

const rows: readonly Row[] = [
  { name: 'nothing', before: [ETH], now: [ETH], changes: [] },
  { name: 'nothing, of one that was never there', before: [WORLD], now: [WORLD], changes: [] },
  { name: 'another interface only', before: [ETH], now: [ETH, WORLD], changes: [] },
  { name: 'it came', before: [], now: [ETH], changes: [{ kind: 'appeared', now: ETH }] },
  { name: 'it went', before: [ETH, WORLD], now: [WORLD], changes: [{ kind: 'vanished' }] },
  {
    name: 'it was renamed',
    before: [ETH],
    now: [{ ...ETH, name: 'enp0s8' }],
    changes: [{ kind: 'vanished', renamedTo: 'enp0s8' }],
  },
  {
    name: 'it was made anew under another name, with its MAC',
    before: [ETH],
    now: [{ ...ETH, name: 'enp0s8', index: 9 }],
    changes: [{ kind: 'vanished', renamedTo: 'enp0s8' }],
  },
  {
    name: 'it went, and one that had its MAC before, a VLAN, is no new name of it',
    before: [ETH, { ...ETH, name: 'eth1.5', index: 4 }],
    now: [{ ...ETH, name: 'eth1.5', index: 4 }],
    changes: [{ kind: 'vanished' }],
  },
  {
    name: 'its number says more than a MAC that two have',
    before: [ETH],
    now: [
      { ...ETH, name: 'twin0', index: 8 },
      { ...ETH, name: 'enp0s8' },
    ],
    changes: [{ kind: 'vanished', renamedTo: 'enp0s8' }],
  },
  {
    name: 'it went where neither numbers nor MACs are known',
    before: [bare],
    now: [{ ...bare, name: 'new0' }],
    changes: [{ kind: 'vanished' }],
  },
  { name: 'it was made again', before: [ETH], now: [{ ...ETH, index: 7 }], changes: [{ kind: 'replaced' }] },
  {
    name: 'a second address',
    before: [ETH],
    now: [{ ...ETH, addresses: with2 }],
    changes: [{ kind: 'addresses', before: ['10.77.0.1/24'], now: ['10.77.0.1/24', '10.78.0.1/16'] }],
  },
  {
    name: 'another prefix length',
    before: [ETH],
    now: [{ ...ETH, addresses: [{ address: ip('10.77.0.1'), prefix: 16 }] }],
    changes: [{ kind: 'addresses', before: ['10.77.0.1/24'], now: ['10.77.0.1/16'] }],
  },
  {
    name: 'no address any more',
    before: [ETH],
    now: [{ ...ETH, addresses: [] }],
    changes: [{ kind: 'addresses', before: ['10.77.0.1/24'], now: [] }],
  },
  {
    name: 'another MTU',
    before: [ETH],
    now: [{ ...ETH, mtu: 9000 }],
    changes: [{ kind: 'mtu', before: 1500, now: 9000 }],
  },
  {
    name: 'it was taken down, and so lost its carrier',
    before: [ETH],
    now: [{ ...ETH, up: false, carrier: false }],
    changes: [{ kind: 'down' }],
  },
  {
    name: 'it is up again',
    before: [{ ...ETH, up: false, carrier: false }],
    now: [ETH],
    changes: [{ kind: 'up' }],
  },
  {
    name: 'the cable is out',
    before: [ETH],
    now: [{ ...ETH, carrier: false }],
    changes: [{ kind: 'no-carrier' }],
  },
  {
    name: 'the cable is in',
    before: [{ ...ETH, carrier: false }],
    now: [ETH],
    changes: [{ kind: 'carrier' }],
  },
  {
    name: 'several at once',
    before: [ETH],
    now: [{ ...ETH, index: 5, mtu: 1400, up: false, addresses: [] }],
    changes: [
      { kind: 'replaced' },
      { kind: 'addresses', before: ['10.77.0.1/24'], now: [] },
      { kind: 'mtu', before: 1500, now: 1400 },
      { kind: 'down' },
    ],
  },
];

for (const { name, before, now, changes } of rows) {
  t.test(`what happened: ${name}`, async (t) => {
    t.strictSame(compareInterfaces('eth1', before, now), changes);
  });
}
