import type { Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import type { BootSession } from '../machine/session.ts';
import { createOldestFirst } from './oldest-first.ts';

export interface AddressBookOptions {
  /** The machine's newest boot session. */
  readonly sessionOf: (mac: Mac) => BootSession | undefined;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** A session that was silent for longer is over, and uses no address. In ms. */
  readonly idleTime: number;
  readonly limit: number;
}

/** Which machine has which address, as far as was seen; bounded. */
export interface AddressBook {
  /** Who last had it: from leases, requests overheard, scripts. */
  macAt(address: Ipv4): Mac | undefined;
  learn(address: Ipv4, mac: Mac): void;
  /** Whose boot session has it: the first that asked from it, for as long as that is not over. */
  userOf(address: Ipv4): Mac | undefined;
  /** Nothing happens while another machine uses it. */
  use(address: Ipv4, mac: Mac): void;
  forget(mac: Mac): void;
}

export function createAddressBook({ sessionOf, clock, idleTime, limit }: AddressBookOptions): AddressBook {
  const known = new Map<Ipv4, Mac>();
  const oldestKnown = createOldestFirst(known);
  const users = new Map<Ipv4, Mac>();
  const oldestUser = createOldestFirst(users);

  function userOf(address: Ipv4): Mac | undefined {
    const mac = users.get(address);
    const session = mac === undefined ? undefined : sessionOf(mac);
    if (session?.address !== address) return undefined;
    if (session.end === 'ready') return mac;
    return session.end === undefined && clock() - session.updatedAt < idleTime ? mac : undefined;
  }

  return {
    macAt: (address) => known.get(address),
    learn: (address, mac) => put(known, oldestKnown, limit, address, mac),
    userOf,
    use(address, mac) {
      const user = userOf(address);
      if (user === undefined || user === mac) put(users, oldestUser, limit, address, mac);
    },
    forget(mac) {
      for (const [address, holder] of known) if (holder === mac) known.delete(address);
    },
  };
}

function put(
  map: Map<Ipv4, Mac>,
  oldestOf: () => Ipv4 | undefined,
  limit: number,
  address: Ipv4,
  mac: Mac,
): void {
  map.delete(address);
  map.set(address, mac);
  if (map.size <= limit) return;
  const oldest = oldestOf();
  if (oldest !== undefined) map.delete(oldest);
}
