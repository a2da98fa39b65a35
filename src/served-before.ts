import { didServe } from './boot/judge-other-servers.ts';
import { networkContains } from './machine/ipv4.ts';
import type { ProvisioningNetworks } from './provisioning.ts';
import type { Lease } from './store/port.ts';

/** Whether addresses of these networks were given before this start. Pure. */
export function servedBefore(
  leases: readonly Lease[],
  { subnets }: Pick<ProvisioningNetworks, 'subnets'>,
  lostDatabase: boolean,
  now: number,
): boolean {
  const ours = leases.filter(({ address }) =>
    subnets.some(({ network }) => networkContains(network, address)),
  );
  // Not Math.max(...): there may be more leases than a call takes arguments.
  const newestLease = ours.reduce<number | undefined>(
    (newest, { expiresAt }) => Math.max(newest ?? 0, expiresAt),
    undefined,
  );
  return didServe({ newestLease, lostDatabase, now });
}
