import { formatIpv4 } from '../machine/ipv4.ts';
import type { NetworkInterface } from './port.ts';

/** What happened to one interface between two readings. */
export type InterfaceChange =
  | { readonly kind: 'appeared'; readonly now: NetworkInterface }
  /** `renamedTo`: the interface that has its number or its MAC now. */
  | { readonly kind: 'vanished'; readonly renamedTo?: string }
  /** The same name, another device: sockets that were tied to the old one are dead. */
  | { readonly kind: 'replaced' }
  /** Dotted, with the prefix length. */
  | { readonly kind: 'addresses'; readonly before: readonly string[]; readonly now: readonly string[] }
  | { readonly kind: 'mtu'; readonly before: number; readonly now: number }
  | { readonly kind: 'up' | 'down' | 'carrier' | 'no-carrier' };

/** All that happened to the interface `name`. Pure. */
export function compareInterfaces(
  name: string,
  before: readonly NetworkInterface[],
  now: readonly NetworkInterface[],
): readonly InterfaceChange[] {
  const was = before.find((one) => one.name === name);
  const is = now.find((one) => one.name === name);
  if (was === undefined) return is === undefined ? [] : [{ kind: 'appeared', now: is }];
  if (is === undefined) {
    const renamedTo = findRenamed(was, before, now);
    return [{ kind: 'vanished', ...(renamedTo === undefined ? {} : { renamedTo }) }];
  }
  const changes: InterfaceChange[] = [];
  if (was.index !== is.index) changes.push({ kind: 'replaced' });
  const addresses = { before: addressesOf(was), now: addressesOf(is) };
  if (addresses.before.join() !== addresses.now.join()) changes.push({ kind: 'addresses', ...addresses });
  if (was.mtu !== is.mtu) changes.push({ kind: 'mtu', before: was.mtu, now: is.mtu });
  if (was.up !== is.up) changes.push({ kind: is.up ? 'up' : 'down' });
  // What is down has no carrier: that goes without saying.
  else if (is.up && was.carrier !== is.carrier)
    changes.push({ kind: is.carrier === true ? 'carrier' : 'no-carrier' });
  return changes;
}

/** Under which other name an interface that is gone is there now: by its number, or, made anew, by its MAC. */
export function findRenamed(
  gone: NetworkInterface,
  before: readonly NetworkInterface[],
  now: readonly NetworkInterface[],
): string | undefined {
  const newcomers = now.filter(({ name }) => !before.some((old) => old.name === name));
  const same = (key: 'index' | 'mac') =>
    gone[key] === undefined ? undefined : newcomers.find((one) => one[key] === gone[key]);
  return (same('index') ?? same('mac'))?.name;
}

export function addressesOf({ addresses }: NetworkInterface): readonly string[] {
  return addresses.map(({ address, prefix }) => `${formatIpv4(address)}/${prefix}`);
}
