/** What `identity:` in role.yaml may say: which certificates a machine of the role is entitled to. */
export const IDENTITIES = ['worker', 'controller', 'etcd', 'none'] as const;
export type Identity = (typeof IDENTITIES)[number];

/**
 * How a machine comes to its keys. `csr`: it makes them, and has them certified; `issued`: they travel inside its
 * configuration, which is then released once.
 */
export const KEY_DELIVERIES = ['csr', 'issued'] as const;
export type KeyDelivery = (typeof KEY_DELIVERIES)[number];

/** Where certificates lie on the machine. `current`: as kubeadm has them; `coreos`: as the Container Linux guides had. */
export const FILE_LAYOUTS = ['current', 'coreos'] as const;
export type FileLayout = (typeof FILE_LAYOUTS)[number];

/** What a kubelet registers as. `address`: the CoreOS guides' `--hostname-override=<IP>`. */
export const NODE_NAMES = ['hostname', 'address'] as const;
export type NodeNaming = (typeof NODE_NAMES)[number];

/** How a role's certificates get to its machines, and where they go: `credentials:` of role.yaml. */
export interface Credentials {
  readonly delivery: KeyDelivery;
  readonly layout: FileLayout;
  readonly nodeName: NodeNaming;
  /** Those that the role uses: it may have no others. Absent: all of its identity. */
  readonly certificates?: readonly CertificateName[];
}

export const DEFAULT_CREDENTIALS: Credentials = { delivery: 'csr', layout: 'current', nodeName: 'hostname' };

/**
 * Three per cluster: were there one for all, any worker's certificate would open etcd, and the front proxy's name
 * could be taken by anybody.
 */
export const AUTHORITY_NAMES = ['kubernetes', 'etcd', 'front-proxy'] as const;
export type AuthorityName = (typeof AUTHORITY_NAMES)[number];

/** The named certificates; `?name=` of a signing request. */
export const CERTIFICATE_NAMES = [
  'kube-apiserver',
  'kube-apiserver-kubelet-client',
  'node',
  'kube-controller-manager',
  'kube-scheduler',
  'administrator',
  'watcher',
  'etcd-server',
  'etcd-peer',
  'kube-apiserver-etcd-client',
  'front-proxy-client',
  'kube-proxy',
] as const;
export type CertificateName = (typeof CERTIFICATE_NAMES)[number];
