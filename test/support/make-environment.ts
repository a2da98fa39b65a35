import { DEFAULT_LOADERS } from '../../src/boot/choose-bootfile.ts';
import type { Port4011Environment, ServerEnvironment } from '../../src/boot/dhcp-action.ts';
import type { Subnet } from '../../src/boot/subnet.ts';
import {
  type Ipv4,
  type Ipv4Network,
  type Ipv4Range,
  parseIpv4,
  parseNetwork,
  parseRange,
} from '../../src/machine/ipv4.ts';
import type { Catalog, MachineEntry } from '../../src/machine/role.ts';

export const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;

export const SUBNET: Subnet = {
  network: parseNetwork('10.77.0.0/24') as Ipv4Network,
  ranges: [parseRange('10.77.0.100-10.77.0.102') as Ipv4Range],
  leaseTime: 3600,
  router: ip('10.77.0.1'),
  dns: [ip('10.77.0.1')],
  domain: 'cluster.local',
  ntp: [ip('10.77.0.2')],
  mtu: 1450,
  via: 'eth1',
};

export function makeCatalog(
  entries: readonly MachineEntry[] = [],
  overrides: Partial<Catalog> = {},
): Catalog {
  return {
    roles: new Map(),
    machines: new Map(entries.map((entry) => [entry.mac, entry])),
    hostnames: new Map(
      entries.flatMap(({ mac, hostname }) => (hostname === undefined ? [] : [[hostname, mac] as const])),
    ),
    rules: [],
    defaultRole: null,
    file: 'machines.yaml',
    generation: 1,
    ...overrides,
  };
}

type Environment = ServerEnvironment & Port4011Environment;

/** Server mode on 10.77.0.1/24 of eth1 with nothing leased. */
export function makeEnvironment(overrides: Partial<Environment> = {}): Environment {
  return {
    serverAddress: ip('10.77.0.1'),
    serverUrl: 'http://10.77.0.1',
    uefiProxy: 'pxe',
    loaders: DEFAULT_LOADERS,
    isBootfilePresent: (file) => file === 'undionly.kpxe' || file === 'snponly.efi',
    loop: { looping: false, reasons: [] },
    now: 1_000_000,
    discoveredAs: undefined,
    via: 'eth1',
    interfaceAddresses: [{ address: ip('10.77.0.1'), url: 'http://10.77.0.1' }],
    catalog: makeCatalog(),
    knownOnly: false,
    isLearning: false,
    subnets: [SUBNET],
    view: {
      leaseOf: () => undefined,
      offerOf: () => undefined,
      holderOf: () => undefined,
      freeAddress: () => ip('10.77.0.100'),
    },
    isExcluded: () => false,
    ...overrides,
  };
}
