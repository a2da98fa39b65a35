import type { Ipv4 } from '../machine/ipv4.ts';

/** Addresses behind which are so many of these, or more. */
export function crowdedAddresses(
  holders: Iterable<{ readonly address?: Ipv4 }>,
  share: number,
): ReadonlySet<Ipv4> {
  const crowded = new Set<Ipv4>();
  const counts = new Map<Ipv4, number>();
  for (const { address } of holders) {
    if (address === undefined) continue;
    const count = (counts.get(address) ?? 0) + 1;
    counts.set(address, count);
    if (count >= share) crowded.add(address);
  }
  return crowded;
}
