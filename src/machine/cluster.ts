import type { Ipv4 } from './ipv4.ts';

/** A member of the cluster that others must find. */
export interface Peer {
  /** Lower case, RFC 1123. */
  readonly hostname: string;
  readonly address: Ipv4;
  /** Of tinderbox.yaml, which names it. */
  readonly line?: number;
}

/** `cluster:` of tinderbox.yaml, defaults filled in. Networks are as written: `10.2.0.0/16`. */
export interface ClusterSettings {
  readonly name: string;
  readonly apiServer: string;
  readonly podNetwork: string;
  readonly serviceNetwork: string;
  readonly dnsServiceIP: string;
  readonly dnsDomain: string;
  /** Controllers that Tinderbox does not boot: the host that it runs on, say. */
  readonly controllers: readonly Peer[];
  /** Members of etcd that Tinderbox does not boot. */
  readonly etcd: readonly Peer[];
}
