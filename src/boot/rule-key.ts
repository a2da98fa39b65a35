import { formatIpv4, formatNetwork } from '../machine/ipv4.ts';
import type { Rule } from '../machine/role.ts';

/**
 * What a rule is known by in the database: its match and its role, so that moving it in the file, or changing its
 * parameters or its `max`, leaves those it has admitted admitted. Rules that match the same are the same.
 */
export function ruleKey({ match, role }: Pick<Rule, 'match' | 'role'>): string {
  const { relay, subnet, labels = {}, ...texts } = match;
  const conditions = {
    ...texts,
    ...Object.fromEntries(Object.entries(labels).map(([name, value]) => [`labels.${name}`, value])),
    ...(relay === undefined ? {} : { relay: formatIpv4(relay) }),
    ...(subnet === undefined ? {} : { subnet: formatNetwork(subnet) }),
  };
  // Patterns match in any case.
  const pairs = Object.entries(conditions).map(([key, value]) => [key, value.toLowerCase()] as const);
  return JSON.stringify([role, Object.fromEntries(pairs.toSorted(([a], [b]) => (a < b ? -1 : 1)))]);
}
