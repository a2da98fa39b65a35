import type { MachineArch } from '../machine/architecture.ts';
import type { Parameters } from '../machine/role.ts';

/** The cluster block of tinderbox.yaml as templates see it. */
export interface ClusterContext {
  readonly name: string;
  readonly apiServer: string;
  readonly podNetwork: string;
  readonly serviceNetwork: string;
  readonly dnsServiceIP: string;
  readonly dnsDomain: string;
}

/** What a role's templates see. Unknown text is '' (never undefined), so that strict mode only stops typing errors. */
export interface TemplateContext {
  readonly machine: {
    readonly mac: string;
    readonly hostname: string;
    /** The reserved address, or ''. */
    readonly address: string;
    /** Prefix length of the provisioning network, for the networkd unit; 0 where the machine has no fixed address. */
    readonly prefix: number;
    /** The network's router and name servers, for the networkd unit; '' and [] where there are none. */
    readonly gateway: string;
    readonly dns: readonly string[];
    readonly uuid: string;
    readonly serial: string;
    readonly arch: MachineArch | '';
    readonly manufacturer: string;
    readonly product: string;
  };
  readonly role: string;
  readonly parameters: Parameters;
  /** Absent where tinderbox.yaml has no `cluster:`; then a template that uses it fails with that as the reason. */
  readonly cluster?: ClusterContext;
  /** As this machine reached them. `url` has no trailing slash. */
  readonly server: { readonly address: string; readonly url: string };
  readonly configUrl: string;
  readonly reportUrl: string;
  /** `<server.url>/assets` */
  readonly assetsUrl: string;
}
