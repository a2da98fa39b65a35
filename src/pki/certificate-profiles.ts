import type { AuthorityName, CertificateName, Identity } from '../machine/identity.ts';
import type { Usage } from './port.ts';

export interface KeyFiles {
  readonly certificate: string;
  readonly key: string;
}

/** `current`: as kubeadm lays them out; `coreos`: as the Container Linux guides did. Absolute paths on the machine. */
export type ByLayout<T> = { readonly current: T; readonly coreos: T };

export interface CertificateProfile {
  readonly name: CertificateName;
  readonly purpose: string;
  readonly authority: AuthorityName;
  /** May hold `{node}` (what the kubelet registers as), `{hostname}` or `{user}`. */
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly names: 'none' | 'machine' | 'api-server' | 'etcd-member';
  readonly usage: readonly Usage[];
  /** See daysFor. */
  readonly days: number;
  /** Which machines may have it; none: for the operator, or Tinderbox itself. */
  readonly entitled: readonly Identity[];
  readonly files: ByLayout<KeyFiles>;
}

const CURRENT = '/etc/kubernetes/pki';
const COREOS = '/etc/kubernetes/ssl';

const files = (current: string, coreos: string): ByLayout<KeyFiles> => ({
  current: { certificate: `${CURRENT}/${current}.crt`, key: `${CURRENT}/${current}.key` },
  coreos: { certificate: `${COREOS}/${coreos}.pem`, key: `${COREOS}/${coreos}-key.pem` },
});

/** Machines get new ones at each boot; it has to last for as long as a worker may run without a reboot. */
const NODE_DAYS = 90;
const CONTROL_DAYS = 365;
const BOTH: readonly Usage[] = ['client', 'server'];

/** Every certificate of a cluster. */
export const CERTIFICATE_PROFILES: readonly CertificateProfile[] = [
  {
    name: 'kube-apiserver',
    purpose: 'what the API server shows to its clients',
    authority: 'kubernetes',
    commonName: 'kube-apiserver',
    organizations: [],
    names: 'api-server',
    usage: ['server'],
    days: CONTROL_DAYS,
    entitled: ['controller'],
    files: files('apiserver', 'apiserver'),
  },
  {
    name: 'kube-apiserver-kubelet-client',
    purpose: 'the API server towards kubelets',
    authority: 'kubernetes',
    commonName: 'kube-apiserver-kubelet-client',
    organizations: ['system:masters'],
    names: 'none',
    usage: ['client'],
    days: CONTROL_DAYS,
    entitled: ['controller'],
    files: files('apiserver-kubelet-client', 'apiserver-kubelet-client'),
  },
  {
    name: 'node',
    purpose: 'a kubelet towards the API server, and the other way round',
    authority: 'kubernetes',
    commonName: 'system:node:{node}',
    organizations: ['system:nodes'],
    names: 'machine',
    usage: BOTH,
    days: NODE_DAYS,
    entitled: ['worker', 'controller'],
    files: files('kubelet', 'worker'),
  },
  {
    name: 'kube-controller-manager',
    purpose: 'the controller manager towards the API server',
    authority: 'kubernetes',
    commonName: 'system:kube-controller-manager',
    organizations: [],
    names: 'none',
    usage: ['client'],
    days: CONTROL_DAYS,
    entitled: ['controller'],
    files: files('controller-manager', 'controller-manager'),
  },
  {
    name: 'kube-scheduler',
    purpose: 'the scheduler towards the API server',
    authority: 'kubernetes',
    commonName: 'system:kube-scheduler',
    organizations: [],
    names: 'none',
    usage: ['client'],
    days: CONTROL_DAYS,
    entitled: ['controller'],
    files: files('scheduler', 'scheduler'),
  },
  {
    // A controller applies add-ons with one in its own name, so that the audit log tells who did it.
    name: 'administrator',
    purpose: 'everything, for people and for applying add-ons',
    authority: 'kubernetes',
    commonName: '{user}',
    organizations: ['system:masters'],
    names: 'none',
    usage: ['client'],
    days: CONTROL_DAYS,
    entitled: ['controller'],
    files: files('admin', 'admin'),
  },
  {
    name: 'watcher',
    purpose: 'Tinderbox seeing Nodes become Ready, and removing them',
    authority: 'kubernetes',
    commonName: 'tinderbox',
    organizations: [],
    names: 'none',
    usage: ['client'],
    days: CONTROL_DAYS,
    entitled: [],
    files: files('tinderbox', 'tinderbox'),
  },
  {
    name: 'etcd-server',
    purpose: 'an etcd member towards its clients',
    authority: 'etcd',
    commonName: '{hostname}',
    organizations: [],
    names: 'etcd-member',
    // Its own JSON gateway is a client of it and shows the same certificate.
    usage: BOTH,
    days: CONTROL_DAYS,
    entitled: ['controller', 'etcd'],
    files: files('etcd/server', 'etcd-server'),
  },
  {
    name: 'etcd-peer',
    purpose: 'an etcd member towards the other members',
    authority: 'etcd',
    commonName: '{hostname}',
    organizations: [],
    names: 'etcd-member',
    usage: BOTH,
    days: CONTROL_DAYS,
    entitled: ['controller', 'etcd'],
    files: files('etcd/peer', 'etcd-peer'),
  },
  {
    name: 'kube-apiserver-etcd-client',
    purpose: 'the API server towards etcd',
    authority: 'etcd',
    commonName: 'kube-apiserver-etcd-client',
    organizations: [],
    names: 'none',
    usage: ['client'],
    days: CONTROL_DAYS,
    entitled: ['controller'],
    files: files('apiserver-etcd-client', 'apiserver-etcd-client'),
  },
  {
    name: 'front-proxy-client',
    purpose: 'the API server towards extension API servers',
    authority: 'front-proxy',
    commonName: 'front-proxy-client',
    organizations: [],
    names: 'none',
    usage: ['client'],
    days: CONTROL_DAYS,
    entitled: ['controller'],
    files: files('front-proxy-client', 'front-proxy-client'),
  },
  {
    name: 'kube-proxy',
    purpose: 'kube-proxy towards the API server',
    authority: 'kubernetes',
    commonName: 'system:kube-proxy',
    organizations: [],
    names: 'none',
    usage: ['client'],
    days: NODE_DAYS,
    entitled: ['worker', 'controller'],
    files: files('kube-proxy', 'kube-proxy'),
  },
];

/** Where each authority's certificate goes. Its key goes nowhere. */
export const AUTHORITY_FILES: ByLayout<Readonly<Record<AuthorityName, string>>> = {
  current: {
    kubernetes: `${CURRENT}/ca.crt`,
    etcd: `${CURRENT}/etcd/ca.crt`,
    'front-proxy': `${CURRENT}/front-proxy-ca.crt`,
  },
  coreos: {
    kubernetes: `${COREOS}/ca.pem`,
    etcd: `${COREOS}/etcd-ca.pem`,
    'front-proxy': `${COREOS}/front-proxy-ca.pem`,
  },
};

/** Where the pair that signs service-account tokens goes, on controllers. */
export const SERVICE_ACCOUNT_FILES: ByLayout<{ readonly publicKey: string; readonly privateKey: string }> = {
  current: { publicKey: `${CURRENT}/sa.pub`, privateKey: `${CURRENT}/sa.key` },
  coreos: { publicKey: `${COREOS}/service-account.pem`, privateKey: `${COREOS}/service-account-key.pem` },
};

/** Whose certificates a machine is given to trust. */
export const TRUSTED_AUTHORITIES: Readonly<Record<Identity, readonly AuthorityName[]>> = {
  worker: ['kubernetes'],
  controller: ['kubernetes', 'etcd', 'front-proxy'],
  etcd: ['etcd'],
  none: [],
};

/**
 * How long a machine's certificate is valid, in days. On a controller all last as long as the control plane's: were its
 * kubelet's to end first, a controller that is well otherwise would lose its Node.
 */
export function daysFor(profile: CertificateProfile, identity: Identity): number {
  return identity === 'controller' ? Math.max(profile.days, CONTROL_DAYS) : profile.days;
}

export function profileOf(name: CertificateName): CertificateProfile {
  // The table is complete: the type of `name` comes from the same list that its test walks.
  return CERTIFICATE_PROFILES.find((profile) => profile.name === name) as CertificateProfile;
}
