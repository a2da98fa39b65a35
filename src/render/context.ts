import type { MachineArch } from '../machine/architecture.ts';
import type { Labels } from '../machine/facts.ts';
import type { AuthorityName, CertificateName, Identity, KeyDelivery } from '../machine/identity.ts';
import type { Parameters } from '../machine/role.ts';

/** A member of the cluster that others must find: its hostname, and its address as a dotted quad. */
export interface PeerContext {
  readonly hostname: string;
  readonly address: string;
}

/** The cluster block of tinderbox.yaml as templates see it. */
export interface ClusterContext {
  readonly name: string;
  readonly apiServer: string;
  /** Host and port of `apiServer`; 443 where it names none. */
  readonly apiServerHost: string;
  readonly apiServerPort: number;
  readonly podNetwork: string;
  readonly serviceNetwork: string;
  /** The first address of `serviceNetwork`: what `kubernetes.default` resolves to. */
  readonly serviceIP: string;
  readonly dnsServiceIP: string;
  readonly dnsDomain: string;
  /** Those of tinderbox.yaml and every machine whose role has `identity: controller`, by hostname. */
  readonly controllers: readonly PeerContext[];
  /** Likewise `identity: etcd`; where there is none, the controllers. */
  readonly etcd: readonly PeerContext[];
  /** `https://<address>:2379` of each etcd member. */
  readonly etcdEndpoints: readonly string[];
}

/** A certificate that the machine is entitled to. */
export interface CertificateContext {
  readonly name: CertificateName;
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dns: readonly string[];
  readonly addresses: readonly string[];
  /** Absolute paths on the machine. */
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Where to POST a signing request in PEM; '' where the pair is issued. */
  readonly url: string;
  /** PEM; '' unless the pair is issued and the configuration is being released. */
  readonly certificate: string;
  readonly key: string;
}

/** Who the machine is to the cluster. Without a `cluster:` block `kind` is none, and the lists are empty. */
export interface IdentityContext {
  readonly kind: Identity;
  readonly delivery: KeyDelivery;
  /** What its kubelet is to register as. */
  readonly nodeName: string;
  readonly certificates: readonly CertificateContext[];
  /** Whose certificates it is to trust: PEM, one or more in each. */
  readonly authorities: readonly {
    readonly name: AuthorityName;
    readonly file: string;
    readonly certificate: string;
  }[];
  /** The pair that controllers share; every field '' for other machines, and the PEMs '' until they are released. */
  readonly serviceAccounts: {
    readonly publicKeyFile: string;
    readonly privateKeyFile: string;
    readonly publicKey: string;
    readonly privateKey: string;
  };
}

/** Of a machine that gets no certificates. */
export function noIdentity(nodeName: string): IdentityContext {
  return {
    kind: 'none',
    delivery: 'csr',
    nodeName,
    certificates: [],
    authorities: [],
    serviceAccounts: { publicKeyFile: '', privateKeyFile: '', publicKey: '', privateKey: '' },
  };
}

/** The same without keys, and without the certificates that travel with them: for what is not released. */
export function withoutKeys(identity: IdentityContext): IdentityContext {
  return {
    ...identity,
    certificates: identity.certificates.map((one) => ({ ...one, certificate: '', key: '' })),
    serviceAccounts: { ...identity.serviceAccounts, publicKey: '', privateKey: '' },
  };
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
    /** By name, what it said of itself when it asked last: `{{default machine.labels.region "none"}}`. */
    readonly labels: Labels;
  };
  readonly role: string;
  readonly parameters: Parameters;
  /** Absent where tinderbox.yaml has no `cluster:`; then a template that uses it fails with that as the reason. */
  readonly cluster?: ClusterContext;
  /** As this machine reached them. `url` has no trailing slash. */
  readonly server: {
    readonly address: string;
    readonly url: string;
    /** UDP; 0: it takes no syslog. */
    readonly syslogPort: number;
  };
  /** Names this boot of this machine; another one with each boot session, and no secret. For cloud-init's `instance-id`. */
  readonly bootId: string;
  /** Of nocloud it ends with a slash: cloud-init puts the names of its files behind it. */
  readonly configUrl: string;
  readonly reportUrl: string;
  /** `<server.url>/assets`, or that of the mirror which this machine is sent to. */
  readonly assetsUrl: string;
  readonly identity: IdentityContext;
}

/** What boot files are made with besides; templates do not see it. */
export interface BootContext extends TemplateContext {
  /** What links of pulled images stand for at this moment, by their paths; absent: nothing is replaced. */
  readonly pinned?: ReadonlyMap<string, string>;
  /** Servers that have /assets too, in the order in which they are tried before this one; absent: none. */
  readonly mirrors?: readonly string[];
}
