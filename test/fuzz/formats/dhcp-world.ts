import type { AddressView } from '../../../src/boot/choose-address.ts';
import type { Port4011Environment, ServerEnvironment } from '../../../src/boot/dhcp-action.ts';
import type { Subnet } from '../../../src/boot/subnet.ts';
import { architectureByCode } from '../../../src/machine/architecture.ts';
import { type Ipv4Network, type Ipv4Range, parseNetwork, parseRange } from '../../../src/machine/ipv4.ts';
import { type Mac, parseMac } from '../../../src/machine/mac.ts';
import type { MachineEntry } from '../../../src/machine/role.ts';
import { ip, makeCatalog, makeEnvironment, SUBNET } from '../../support/make-environment.ts';

const HELD = parseMac('52:54:00:12:34:57') as Mac;
const LISTED = parseMac('52:54:00:12:34:58') as Mac;

const ENTRY: MachineEntry = {
  mac: LISTED,
  hostname: 'listed',
  address: ip('10.77.0.50'),
  parameters: {},
  line: 1,
};

const FAR: Subnet = {
  ...SUBNET,
  network: parseNetwork('10.78.0.0/24') as Ipv4Network,
  ranges: [parseRange('10.78.0.100-10.78.0.101') as Ipv4Range],
  via: 'relay',
};

/** Some leases and offers, some of them of others, and a pool that may be empty. */
function viewOf(isFull: boolean, now: number): AddressView {
  const later = now + 60_000;
  const leased = ip('10.77.0.101');
  const offered = ip('10.77.0.102');
  return {
    leaseOf: (mac, isWanted) =>
      mac === HELD && isWanted(leased) ? { address: leased, state: 'bound', expiresAt: later } : undefined,
    offerOf: (mac, isWanted) => (mac === LISTED && isWanted(offered) ? { address: offered } : undefined),
    holderOf: (address) =>
      address === leased
        ? { mac: HELD, state: 'bound', until: later }
        : address === offered
          ? { mac: LISTED, state: 'offered', until: later }
          : undefined,
    freeAddress: ([range]) => (isFull ? undefined : range?.first),
  };
}

/** A world chosen by the bits of one byte of the input. */
export function dhcpWorld(choice: number): ServerEnvironment & Port4011Environment {
  const has = (bit: number): boolean => (choice & (1 << bit)) !== 0;
  const now = 1_000_000;
  return makeEnvironment({
    knownOnly: has(0),
    uefiProxy: has(1) ? 'offer' : 'pxe',
    isLearning: has(2),
    syslog: has(3),
    loop: has(4) ? { looping: true, reasons: ['it loops'] } : { looping: false, reasons: [] },
    discoveredAs: has(5) ? architectureByCode(7) : undefined,
    isBootfilePresent: () => !has(6),
    view: viewOf(has(7), now),
    now,
    catalog: makeCatalog([ENTRY]),
    subnets: [SUBNET, FAR],
    isExcluded: (address) => address === ip('10.77.0.1'),
  });
}
