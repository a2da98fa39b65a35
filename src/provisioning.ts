import type { Config, ResolvedSubnet } from './config/port.ts';
import type { Problem } from './errors.ts';
import type { Ipv4 } from './machine/ipv4.ts';
import type { NetworkInterface } from './net/port.ts';
import { placeSubnets } from './preflight.ts';

/** The provisioning networks at one moment; another object as soon as anything of it is different. */
export interface ProvisioningNetworks {
  /** Those of the configuration that are there and have an address, in its order. */
  readonly interfaces: readonly NetworkInterface[];
  readonly subnets: readonly ResolvedSubnet[];
  /** Of every provisioning interface. */
  readonly ownAddresses: ReadonlySet<Ipv4>;
  /** Where the configuration and the addresses contradict each other. */
  readonly problems: readonly Problem[];
}

/** Who knows the interfaces: whatever depends on them asks here each time, since they change while the daemon runs. */
export interface Provisioning {
  networks(): ProvisioningNetworks;
  /** Every interface of the host. */
  host(): readonly NetworkInterface[];
  /** Another reading of the host's interfaces. */
  update(host: readonly NetworkInterface[]): void;
}

export function createProvisioning(config: Config, host: readonly NetworkInterface[]): Provisioning {
  let current = { host, networks: networksOf(config, host) };
  return {
    networks: () => current.networks,
    host: () => current.host,
    update(now) {
      current = { host: now, networks: networksOf(config, now) };
    },
  };
}

/** Pure. */
export function networksOf(config: Config, host: readonly NetworkInterface[]): ProvisioningNetworks {
  const interfaces = config.network.interfaces.flatMap((name) => {
    const found = host.find((one) => one.name === name);
    return found === undefined || found.addresses.length === 0 ? [] : [found];
  });
  const { subnets, problems } = placeSubnets(config, interfaces, undefined);
  const own = interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => address));
  return { interfaces, subnets, ownAddresses: new Set(own), problems };
}
