import { parseIpv4 } from '../machine/ipv4.ts';
import type { MatchCandidate, NodeIdentity } from './match-node.ts';

/**
 * Whether a Node may be deleted because this machine goes, or becomes something else: its name must be the machine's
 * hostname or address, and nobody else's. A system UUID does not do: kubelets say it of themselves, and so does whoever
 * asks for a boot, so that it would let one machine have another's Node deleted. `others` may hold the machine itself.
 */
export function mayDelete(
  { name }: Pick<NodeIdentity, 'name'>,
  machine: Pick<MatchCandidate, 'mac' | 'hostname' | 'addresses'>,
  others: Iterable<Pick<MatchCandidate, 'mac' | 'hostname' | 'addresses'>> = [],
): boolean {
  if (!isNameOf(name, machine)) return false;
  for (const other of others) if (other.mac !== machine.mac && isNameOf(name, other)) return false;
  return true;
}

function isNameOf(
  name: string,
  { hostname, addresses }: Pick<MatchCandidate, 'hostname' | 'addresses'>,
): boolean {
  if (hostname !== undefined && hostname.toLowerCase() === name.toLowerCase()) return true;
  const address = parseIpv4(name);
  return address !== undefined && addresses.includes(address);
}
