/** What `identity:` in role.yaml may say: which certificates a machine of the role is entitled to. */
export const IDENTITIES = ['worker', 'controller', 'etcd', 'none'] as const;
export type Identity = (typeof IDENTITIES)[number];

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
