import type { Ipv4, Ipv4Network, Ipv4Range } from '../machine/ipv4.ts';
import type { Config } from './port.ts';

/** What `tinderbox init` knows when it writes a tinderbox.yaml. */
export interface InitAnswers {
  readonly interfaces: readonly string[];
  readonly mode: Config['dhcp']['mode'];
  /** Server mode: one for each network that is given addresses in. */
  readonly subnets: readonly InitSubnet[];
  /** As it is written: `1h`. */
  readonly leaseTime: string;
  readonly dns: readonly Ipv4[];
  readonly domain?: string;
  readonly admission: Config['admission'];
  readonly cluster?: {
    readonly apiServer: string;
    readonly podNetwork: Ipv4Network;
    readonly serviceNetwork: Ipv4Network;
  };
  readonly paths: Config['paths'];
}

export interface InitSubnet {
  readonly range: Ipv4Range;
  readonly router?: Ipv4;
}
