import type { FirmwareArchitecture } from '../machine/architecture.ts';
import type { Ipv4 } from '../machine/ipv4.ts';
import type { Catalog } from '../machine/role.ts';
import type { AddressAnswer, BootAnswer } from './build-dhcp-reply.ts';
import type { AddressView } from './choose-address.ts';
import type { BootfileInput } from './choose-bootfile.ts';
import type { Subnet } from './subnet.ts';

/** What happens to leases along with a reply; `bind` is on disk before the reply leaves. */
export type LeaseChange =
  | { readonly kind: 'offer'; readonly address: Ipv4 }
  | {
      readonly kind: 'bind';
      readonly address: Ipv4;
      readonly leaseTime: number;
      /** Nothing but the machine's word says that it had this address, and it may not use it yet. */
      readonly unproven?: true;
    }
  | { readonly kind: 'release' | 'decline'; readonly address: Ipv4 };

/** What only the operator can mend. */
export interface Trouble {
  /** Ending of the counter's name. */
  readonly counter: 'pool-exhausted' | 'no-subnet' | 'no-loader';
  /** The same for every machine that it befalls: said in the log now and then, not at each packet. */
  readonly text: string;
}

/** The decision on one DHCP packet: a reply, or silence; always with reasons. */
export type DhcpAction =
  | {
      readonly kind: 'reply';
      readonly type: 'offer' | 'ack' | 'nak';
      /** What the reply calls the server; absent: the interface's first address. */
      readonly serverAddress?: Ipv4;
      readonly address?: AddressAnswer;
      readonly boot?: BootAnswer;
      readonly message?: string;
      readonly lease?: LeaseChange;
      readonly trouble?: Trouble;
      readonly reasons: readonly string[];
    }
  | {
      readonly kind: 'silent';
      /** ignored: not ours to answer; refused: it asked us and gets nothing; noted: it told us something; failed: our fault. */
      readonly outcome: 'ignored' | 'refused' | 'noted' | 'failed';
      readonly lease?: LeaseChange;
      readonly trouble?: Trouble;
      /** An address that the packet shows this machine to use. */
      readonly uses?: Ipv4;
      readonly reasons: readonly string[];
    };

/** Everything that the decision depends on besides the packet and its sender. */
export interface DhcpEnvironment {
  /** What machines are told: of the interface that the packet came in on. */
  readonly serverAddress: Ipv4;
  readonly serverUrl: string;
  readonly uefiProxy: 'pxe' | 'offer';
  /** Whether machines are told to send their syslog here. */
  readonly syslog?: boolean;
  readonly loaders: BootfileInput['loaders'];
  readonly roleLoaders?: BootfileInput['roleLoaders'];
  readonly isBootfilePresent: BootfileInput['isPresent'];
  /** What is known of this ROM taking its loader again and again; `looping`: it is not given to it once more. */
  readonly loop: { readonly looping: boolean; readonly reasons: readonly string[] };
  readonly now: number;
}

export interface Port4011Environment extends DhcpEnvironment {
  /** What the machine said in its DISCOVER on port 67 a moment ago. */
  readonly discoveredAs: FirmwareArchitecture | undefined;
}

export interface ServerEnvironment extends DhcpEnvironment {
  /** The interface that the packet came in on, and its addresses with their URLs, at least one. */
  readonly via: string;
  readonly interfaceAddresses: readonly { readonly address: Ipv4; readonly url: string }[];
  readonly catalog: Catalog;
  readonly knownOnly: boolean;
  readonly subnets: readonly Subnet[];
  readonly view: AddressView;
  /** Addresses of this host, reservations: never given from a pool. */
  readonly isExcluded: (address: Ipv4) => boolean;
  /** The database was lost a while ago: machines hold addresses that it does not know. */
  readonly isLearning: boolean;
}
