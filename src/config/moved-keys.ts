import type { MovedKeys } from '../document/check-schema.ts';

/**
 * Keys of tinderbox.yaml that have another place or name than they had: old path → new path, and the version that moved
 * it. An entry of a list is `[]`. A key is listed here for as long as an upgrade from where it was is supported.
 */
export const MOVED_KEYS: Readonly<Record<string, { readonly to: string; readonly since: string }>> = {};

/** What other programs call it, where nothing in the spelling says what is meant. */
export const KNOWN_ELSEWHERE: Readonly<Record<string, string>> = {
  interface: 'network.interface',
  interfaces: 'network.interface',
  'network.interfaces': 'network.interface',
  'dhcp.interface': 'network.interface',
  'dhcp.interfaces': 'network.interface',
  'dhcp.pool': 'dhcp.range',
  'dhcp.pools': 'dhcp.range',
  'dhcp.gateway': 'dhcp.router',
  'dhcp.routers': 'dhcp.router',
  'dhcp.nameserver': 'dhcp.dns',
  'dhcp.nameservers': 'dhcp.dns',
  'dhcp.domain-name-servers': 'dhcp.dns',
  'dhcp.domain-name': 'dhcp.domain',
  'dhcp.lease': 'dhcp.leaseTime',
  'dhcp.lease_time': 'dhcp.leaseTime',
  'dhcp.default-lease-time': 'dhcp.leaseTime',
  'dhcp.valid-lifetime': 'dhcp.leaseTime',
  'dhcp.subnet': 'dhcp.subnets',
  'dhcp.subnets[].subnet': 'dhcp.subnets[].network',
  'dhcp.subnets[].pool': 'dhcp.subnets[].range',
  'dhcp.subnets[].gateway': 'dhcp.subnets[].router',
  'dhcp.reservations': 'machines.yaml: machines',
  'dhcp.hosts': 'machines.yaml: machines',
  'http.listen': 'http.port',
  'http.address': 'network.interface',
  'tftp.listen': 'tftp.port',
  'tftp.root': 'paths.assets',
  'tftp.directory': 'paths.assets',
  'admin.port': 'admin.listen',
  profiles: 'paths.profiles',
  state: 'paths.state',
  machines: 'machines.yaml: machines',
};

/** For checkSchema. */
export function explainMovedKeys(moved: typeof MOVED_KEYS = MOVED_KEYS): MovedKeys {
  return (path) => {
    const now = Object.hasOwn(moved, path) ? moved[path] : undefined;
    if (now !== undefined) {
      return {
        message: `${path} is now ${now.to}`,
        remedy: `Move it there, with its value (since ${now.since}; CHANGELOG.md says why).`,
      };
    }
    const here = Object.hasOwn(KNOWN_ELSEWHERE, path) ? KNOWN_ELSEWHERE[path] : undefined;
    return here === undefined ? undefined : { message: `${path} is called ${here} here` };
  };
}
