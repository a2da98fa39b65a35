import { broadcastOf, type Ipv4, type Ipv4Range, networkContains, networkOf } from '../machine/ipv4.ts';
import { withoutAddresses } from './resolve-dhcp.ts';

/** Of a network of 256 addresses or more: room below for hosts with fixed addresses, and above. */
const USUAL_FIRST = 100;
const USUAL_LAST = 200;
const SMALLEST_USUAL = 24;

/**
 * Addresses to give away in the network of an interface: one range without any of `excluded`, the largest that there
 * is. Undefined where none is left: a /31, a /32, a /30 whose two are taken.
 */
export function suggestRange(
  own: { readonly address: Ipv4; readonly prefix: number },
  excluded: readonly Ipv4[] = [],
): Ipv4Range | undefined {
  if (own.prefix >= 31) return undefined;
  const network = networkOf(own.address, own.prefix);
  const taken = [own.address, ...excluded].filter((address) => networkContains(network, address));
  const pieces = withoutAddresses(wholeRange(own), taken);
  return pieces.toSorted((a, b) => b.last - b.first - (a.last - a.first))[0];
}

function wholeRange({ address, prefix }: { readonly address: Ipv4; readonly prefix: number }): Ipv4Range {
  if (prefix <= SMALLEST_USUAL) {
    const base = networkOf(address, SMALLEST_USUAL).address;
    return { first: (base + USUAL_FIRST) as Ipv4, last: (base + USUAL_LAST) as Ipv4 };
  }
  const network = networkOf(address, prefix);
  return { first: (network.address + 1) as Ipv4, last: (broadcastOf(network) - 1) as Ipv4 };
}
