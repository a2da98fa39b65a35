import type { Config } from './config/port.ts';
import type { NetworkInterface } from './net/port.ts';
import type { ProvisioningNetworks } from './provisioning.ts';

/**
 * `serving`: everything that is configured. `partly`: some of it. `waiting`: nothing, until what `reason` says is
 * mended; nobody has to restart anything then.
 */
export interface InterfaceState {
  readonly state: 'serving' | 'partly' | 'waiting';
  /** Absent: all is well. */
  readonly reason?: string;
}

export interface InterfaceFacts {
  readonly name: string;
  /** As it is now; undefined: there is none of that name. */
  readonly now: NetworkInterface | undefined;
  /** Under which name it may be found instead. */
  readonly renamedTo: string | undefined;
  /** What could not be opened, and why. */
  readonly refused: readonly string[];
  /** How many doors are open. */
  readonly open: number;
}

/** What is served on an interface, and why not more. Pure. */
export function interfaceState(
  { name, now, renamedTo, refused, open }: InterfaceFacts,
  dhcp: Pick<Config['dhcp'], 'mode'>,
  networks: ProvisioningNetworks,
): InterfaceState {
  if (now === undefined) {
    const guess = renamedTo === undefined ? '' : `; was it renamed to ${renamedTo}?`;
    return { state: 'waiting', reason: `there is no network interface ${name}${guess}` };
  }
  if (now.addresses.length === 0) return { state: 'waiting', reason: `${name} has no IPv4 address` };
  if (refused.length > 0) return { state: open === 0 ? 'waiting' : 'partly', reason: refused.join('; ') };
  if (!now.up) return { state: 'waiting', reason: `${name} is down` };
  const contradiction = dhcp.mode === 'server' ? withoutSubnet(name, networks) : undefined;
  if (contradiction !== undefined)
    return { state: 'partly', reason: `DHCP gives no addresses on ${name}: ${contradiction}` };
  if (now.carrier === false) return { state: 'serving', reason: `${name} has no carrier` };
  return { state: 'serving' };
}

/** Server mode: why no subnet of the configuration lies on this interface. */
function withoutSubnet(name: string, { subnets, problems }: ProvisioningNetworks): string | undefined {
  if (subnets.some(({ via, ranges }) => via === name && ranges.length > 0)) return undefined;
  const error = problems.find(({ severity }) => severity === 'error');
  return error?.message ?? 'no range lies in its network';
}
