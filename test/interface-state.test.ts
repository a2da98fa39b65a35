import t from 'tap';
import { resolveConfig } from '../src/config/resolve.ts';
import { type InterfaceFacts, interfaceState } from '../src/interface-state.ts';
import type { NetworkInterface } from '../src/net/port.ts';
import { networksOf } from '../src/provisioning.ts';
import { ip } from './support/make-environment.ts';

const ETH: NetworkInterface = {
  name: 'eth1',
  addresses: [{ address: ip('10.77.0.1'), prefix: 24 }],
  mtu: 1500,
  up: true,
  carrier: true,
};
const OFF = 'mode: proxy';
const SERVER = 'mode: server, range: 10.77.0.100-10.77.0.199';
const FACTS: InterfaceFacts = { name: 'eth1', now: ETH, renamedTo: undefined, refused: [], open: 3 };

interface Row {
  readonly name: string;
  readonly dhcp?: string;
  readonly facts: Partial<InterfaceFacts>;
  readonly state: ReturnType<typeof interfaceState>;
}

const moved = { ...ETH, addresses: [{ address: ip('10.99.0.1'), prefix: 24 }] };

const rows: readonly Row[] = [
  { name: 'all is well', facts: {}, state: { state: 'serving' } },
  { name: 'all is well in server mode', dhcp: SERVER, facts: {}, state: { state: 'serving' } },
  {
    name: 'it is not there',
    facts: { now: undefined },
    state: { state: 'waiting', reason: 'there is no network interface eth1' },
  },
  {
    name: 'it is there under another name',
    facts: { now: undefined, renamedTo: 'enp0s8' },
    state: { state: 'waiting', reason: 'there is no network interface eth1; was it renamed to enp0s8?' },
  },
  {
    name: 'it has no address',
    facts: { now: { ...ETH, addresses: [] }, open: 1 },
    state: { state: 'waiting', reason: 'eth1 has no IPv4 address' },
  },
  {
    name: 'it is down',
    facts: { now: { ...ETH, up: false, carrier: false } },
    state: { state: 'waiting', reason: 'eth1 is down' },
  },
  {
    name: 'it has no carrier, which is no reason not to be ready',
    facts: { now: { ...ETH, carrier: false } },
    state: { state: 'serving', reason: 'eth1 has no carrier' },
  },
  {
    name: 'one port is held',
    facts: { refused: ['UDP port 67 is held'], open: 2 },
    state: { state: 'partly', reason: 'UDP port 67 is held' },
  },
  {
    name: 'every port is held',
    facts: { refused: ['one', 'two'], open: 0 },
    state: { state: 'waiting', reason: 'one; two' },
  },
  {
    name: 'the range is of another network',
    dhcp: SERVER,
    facts: { now: moved },
    state: {
      state: 'partly',
      reason:
        'DHCP gives no addresses on eth1: the range 10.77.0.100-10.77.0.199 is in no network of the provisioning interfaces (eth1 10.99.0.1/24)',
    },
  },
  {
    name: 'the network is given, and is not that of the interface',
    dhcp: 'mode: server, network: 10.77.0.0/24, range: 10.77.0.100-10.77.0.199',
    facts: { now: moved },
    state: {
      state: 'partly',
      reason: 'DHCP gives no addresses on eth1: no range lies in its network',
    },
  },
  { name: 'a proxy gives no addresses anyway', facts: { now: moved }, state: { state: 'serving' } },
];

for (const { name, dhcp = OFF, facts, state } of rows) {
  t.test(`what is served: ${name}`, async (t) => {
    const content = `network: { interface: eth1 }\ndhcp: { ${dhcp} }\n`;
    const { config } = resolveConfig({ file: 't.yaml', content, folder: '/', env: {} });
    if (config === undefined) throw new Error('the configuration is broken');
    const all = { ...FACTS, ...facts };
    const networks = networksOf(config, all.now === undefined ? [] : [all.now]);
    t.strictSame(interfaceState(all, config.dhcp, networks), state);
  });
}
