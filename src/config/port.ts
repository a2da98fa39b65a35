import type { AssetMirror } from '../boot/choose-mirrors.ts';
import type { Subnet } from '../boot/subnet.ts';
import type { LogLevel } from '../logger.ts';
import type { ClusterSettings } from '../machine/cluster.ts';
import type { Ipv4, Ipv4Network } from '../machine/ipv4.ts';
import type { StageTimes } from '../machine/stage.ts';

/** One network that Tinderbox gives addresses in (server mode), as the file has it. */
export interface SubnetConfig extends Omit<Subnet, 'network' | 'via'> {
  /** Absent in the short form: it is the network of the interface that has an address in or around the range. */
  readonly network?: Ipv4Network;
  /** Where it stands in the file. */
  readonly line: number;
}

export interface DhcpConfig {
  readonly mode: 'proxy' | 'server' | 'off';
  readonly subnets: readonly SubnetConfig[];
  /** Addresses only for machines that have an entry in machines.yaml. */
  readonly knownOnly: boolean;
  readonly probeAddresses: boolean;
  /** proxy mode, UEFI: `pxe` sends firmware to port 4011 (real boards differ least there), `offer` puts it all in the offer. */
  readonly uefiProxy: 'pxe' | 'offer';
  /** Seconds that a declined address rests. */
  readonly declineTime: number;
  /** Seconds between two looks for other DHCP servers; absent: never. */
  readonly probe?: number;
  /** server mode: begin also where another server gives addresses. */
  readonly allowOtherServers: boolean;
  /** `disk`: fsync before the ACK leaves. `process`: survives the end of the process, not of the power. */
  readonly leaseDurability: 'disk' | 'process';
}

/** A subnet matched with the interfaces: what server mode works with. */
export interface ResolvedSubnet extends Subnet {
  /** Tinderbox's own address in it; absent where `via` is `relay`. */
  readonly ownAddress?: Ipv4;
}

/** `own`: of the admin plane's own authority. Paths are absolute. */
export type AdminTlsConfig =
  | { readonly kind: 'own' }
  | { readonly kind: 'files'; readonly certificate: string; readonly key: string };

/** Files that are not in paths.assets are fetched `from` there, and kept. */
export interface PullThroughConfig {
  /** What `/assets/…` is put behind; no trailing slash. */
  readonly from: string;
  /** Of all such files together. */
  readonly maxBytes: number;
  /** Seconds. */
  readonly freshFor: number;
  /** At one time. */
  readonly fetches: number;
  /** Where it stands in the file. */
  readonly line: number;
}

export interface AssetsConfig {
  readonly mirrors: readonly (AssetMirror & { readonly line: number })[];
  readonly pullThrough?: PullThroughConfig;
}

/** tinderbox.yaml, resolved: defaults filled in, paths absolute, addresses parsed. */
export interface Config {
  /** Absolute path of the file; `(built in)` for the demo's. */
  readonly file: string;
  readonly network: { readonly interfaces: readonly string[] };
  readonly dhcp: DhcpConfig;
  readonly http: {
    readonly port: number;
    /** Replaces `http://<address>[:port]` in everything sent to machines; no trailing slash. */
    readonly url?: string;
    /** So many machines load at once what is larger than so many bytes; absent: nobody waits. */
    readonly queue?: { readonly places: number; readonly largerThan: number };
    /** Bytes of hot files held in memory. */
    readonly cacheBytes: number;
    /** A boot session's configuration may be fetched for this many seconds after it opened. */
    readonly sessionTime: number;
    /** Refuse a boot-session URL to another address than the one that fetched `/ipxe`. */
    readonly strictAddress: boolean;
    /** Whether matchbox's routes are answered. */
    readonly matchbox: boolean;
  };
  readonly assets: AssetsConfig;
  readonly tftp: { readonly port: number; readonly maxTransfers: number };
  /** `port` is absent where nothing is received. */
  readonly syslog: { readonly port?: number };
  readonly admin: {
    /** TCP listener of the admin plane; absent: unix socket only. */
    readonly listen?: { readonly host: string; readonly port: number };
    /** Absolute path of the unix socket. */
    readonly socket: string;
    /** Absent: plain HTTP, on loopback. */
    readonly tls?: AdminTlsConfig;
    /** DNS names that a browser may know it by, beside this host's own. */
    readonly names: readonly string[];
  };
  readonly admission: 'open' | 'approve' | 'listed';
  /** Where they differ from the defaults (boot/stage-times.ts). */
  readonly stageTime: StageTimes;
  /** How much of the past is kept: seconds, bytes of the database. */
  readonly history: { readonly keep: number; readonly maxSize: number };
  /** The least that is logged from the start. */
  readonly log: { readonly level: LogLevel };
  readonly cluster?: ClusterSettings;
  readonly paths: { readonly profiles: string; readonly assets: string; readonly state: string };
  /** Boot file by firmware architecture name (`bios`, `uefi-x64`, …): the operator's, over the defaults. */
  readonly loaders: ReadonlyMap<string, string>;
}
