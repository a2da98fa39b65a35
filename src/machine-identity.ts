import { type ClusterMembers, clusterMembers } from './boot/cluster-members.ts';
import { TinderboxError } from './errors.ts';
import type { ClusterSettings } from './machine/cluster.ts';
import type { Identity } from './machine/identity.ts';
import { formatIpv4, type Ipv4 } from './machine/ipv4.ts';
import type { Catalog, Role } from './machine/role.ts';
import {
  AUTHORITY_FILES,
  profileOf,
  SERVICE_ACCOUNT_FILES,
  TRUSTED_AUTHORITIES,
} from './pki/certificate-profiles.ts';
import { entitledCertificates } from './pki/entitled-certificates.ts';
import type {
  Authorities,
  Entitlement,
  IssuedCertificate,
  NamedMachine,
  SignedCertificate,
} from './pki/port.ts';
import { type CertificateContext, type IdentityContext, noIdentity } from './render/context.ts';

/** Whose identity it is, and in which cluster. */
export interface IdentityFacts {
  readonly role: Pick<Role, 'name' | 'identity' | 'credentials'>;
  readonly hostname: string;
  /** Its reservation, else where it asks from; empty while neither is known. The first names the Node by address. */
  readonly addresses: readonly Ipv4[];
  /** Undefined: tinderbox.yaml has no `cluster:`, and nobody gets a certificate. */
  readonly cluster: ClusterSettings | undefined;
  readonly catalog: Catalog;
}

export interface IdentityInput extends IdentityFacts {
  readonly authorities: Pick<Authorities, 'trustOf' | 'issue' | 'serviceAccountKeys'>;
  /** Where to POST a signing request to, without its query; undefined where there is no session. */
  readonly csrUrl: string | undefined;
}

/**
 * Which certificates the machine may have. Throws TinderboxError as entitledCertificates does, and `refused` if its Node
 * is named by an address that nobody knows, or its role uses a certificate that its identity may not have.
 */
export function entitlementsOf({
  role,
  hostname,
  addresses,
  cluster,
  catalog,
}: IdentityFacts): readonly Entitlement[] {
  if (cluster === undefined) return [];
  const entitled = entitledCertificates({
    identity: role.identity,
    hostname,
    addresses,
    nodeName: nodeNameOf({ role, hostname, addresses }),
    cluster,
    controllers: controllersOf(clusterMembers(cluster, catalog)),
  });
  return usedBy(role, entitled);
}

/** By members, which are the same objects as long as the catalog is: what is found out of them is found out once. */
const controllers = new WeakMap<ClusterMembers, readonly NamedMachine[]>();

function controllersOf(members: ClusterMembers): readonly NamedMachine[] {
  const known = controllers.get(members);
  if (known !== undefined) return known;
  const named = members.controllers.map(({ hostname, address }) => ({ hostname, addresses: [address] }));
  controllers.set(members, named);
  return named;
}

/** What nobody on the machine uses would only serve a thief. */
function usedBy(
  { name, identity, credentials: { certificates } }: Pick<Role, 'name' | 'identity' | 'credentials'>,
  entitled: readonly Entitlement[],
): readonly Entitlement[] {
  if (certificates === undefined) return entitled;
  const strange = certificates.find((wanted) => !entitled.some((one) => one.name === wanted));
  if (strange !== undefined) {
    throw new TinderboxError(
      'refused',
      `role ${name} uses the certificate ${strange}, which its identity may not have`,
      {
        remedy: `A machine of identity ${identity} may have: ${entitled.map((one) => one.name).join(', ') || 'none'}.`,
      },
    );
  }
  return entitled.filter((one) => certificates.includes(one.name));
}

/** Whether its configuration holds private keys. Controllers share the service-account pair, so it travels with either delivery. */
export function releasesSecrets(
  { identity, credentials }: Pick<Role, 'identity' | 'credentials'>,
  clusterConfigured: boolean,
): boolean {
  return (
    clusterConfigured &&
    identity !== 'none' &&
    (credentials.delivery === 'issued' || identity === 'controller')
  );
}

/** Who the machine is, without a secret: fit for its boot script. Throws as entitlementsOf does. */
export function describeIdentity(
  input: IdentityFacts & {
    readonly authorities: Pick<Authorities, 'trustOf'>;
    readonly csrUrl: string | undefined;
  },
): IdentityContext {
  const { authorities } = input;
  return contextOf(input, { trustOf: (name) => authorities.trustOf(name) });
}

/**
 * The same with what its configuration is to hold: keys and certificates where they are issued, and a controller's
 * service-account pair. New keys at each call. Throws as entitlementsOf and Authorities.issue do.
 */
export async function issueIdentity(
  input: IdentityInput,
  /** Told of each certificate that was made, for the record. */
  issued: (certificate: SignedCertificate) => void = () => undefined,
): Promise<IdentityContext> {
  const { role, authorities } = input;
  const pairs = new Map<string, Pair>();
  if (role.credentials.delivery === 'issued') {
    for (const entitlement of entitlementsOf(input)) {
      const { certificatePem, keyPem, ...rest }: IssuedCertificate = await authorities.issue(entitlement);
      pairs.set(entitlement.name, { certificate: certificatePem, key: keyPem });
      issued({ ...rest, certificatePem });
    }
  }
  return contextOf(input, {
    trustOf: (name) => authorities.trustOf(name),
    pairOf: ({ name }) => pairs.get(name),
    serviceAccounts: () => {
      const { publicKeyPem, privateKeyPem } = authorities.serviceAccountKeys();
      return { publicKey: publicKeyPem, privateKey: privateKeyPem };
    },
  });
}

/**
 * Stands in where there are no authorities yet, or secrets must not be seen: of the same shape, so that a role renders as
 * it will in life, and plainly no key.
 */
export function sampleIdentity(
  input: IdentityFacts & { readonly csrUrl: string | undefined },
): IdentityContext {
  const certificate = samplePem('CERTIFICATE');
  const key = samplePem('PRIVATE KEY');
  return contextOf(input, {
    trustOf: () => certificate,
    pairOf: () => ({ certificate, key }),
    serviceAccounts: () => ({ publicKey: samplePem('PUBLIC KEY'), privateKey: key }),
  });
}

interface Pair {
  readonly certificate: string;
  readonly key: string;
}

/** Where the PEMs come from; what is absent stays ''. */
interface Sources {
  readonly trustOf: Authorities['trustOf'];
  readonly pairOf?: (entitlement: Entitlement) => Pair | undefined;
  readonly serviceAccounts?: () => { readonly publicKey: string; readonly privateKey: string };
}

function contextOf(
  input: IdentityFacts & { readonly csrUrl: string | undefined },
  { trustOf, pairOf, serviceAccounts }: Sources,
): IdentityContext {
  const { role, hostname, cluster, csrUrl } = input;
  const { identity, credentials } = role;
  if (cluster === undefined || identity === 'none') return noIdentity(hostname);
  const { delivery, layout } = credentials;
  const certificates = entitlementsOf(input).map((entitlement): CertificateContext => {
    const { name, subject, names } = entitlement;
    const files = profileOf(name).files[layout];
    const pair = delivery === 'issued' ? pairOf?.(entitlement) : undefined;
    return {
      name,
      commonName: subject.commonName,
      organizations: subject.organizations,
      dns: names.dns,
      addresses: names.addresses.map(formatIpv4),
      certificateFile: files.certificate,
      keyFile: files.key,
      url: delivery === 'csr' && csrUrl !== undefined ? `${csrUrl}?name=${name}` : '',
      certificate: pair?.certificate ?? '',
      key: pair?.key ?? '',
    };
  });
  const isController = identity === 'controller';
  const shared = SERVICE_ACCOUNT_FILES[layout];
  return {
    kind: identity,
    delivery,
    nodeName: nodeNameOf(input),
    certificates,
    authorities: authoritiesOf(identity, layout, trustOf),
    serviceAccounts: {
      publicKeyFile: isController ? shared.publicKey : '',
      privateKeyFile: isController ? shared.privateKey : '',
      ...((isController ? serviceAccounts?.() : undefined) ?? { publicKey: '', privateKey: '' }),
    },
  };
}

type TrustedAuthorities = IdentityContext['authorities'];

/** The same list for the same certificates, so that what is made of it can be recognised (render/mold-context.ts). */
let lists: readonly TrustedAuthorities[] = [];
const LISTS = 16;

function authoritiesOf(
  identity: Identity,
  layout: keyof typeof AUTHORITY_FILES,
  trustOf: Authorities['trustOf'],
): TrustedAuthorities {
  const wanted = TRUSTED_AUTHORITIES[identity].map((name) => ({
    name,
    file: AUTHORITY_FILES[layout][name],
    certificate: trustOf(name),
  }));
  const known = lists.find(
    (list) =>
      list.length === wanted.length &&
      list.every(
        ({ file, certificate }, at) => file === wanted[at]?.file && certificate === wanted[at].certificate,
      ),
  );
  if (known !== undefined) return known;
  lists = [wanted, ...lists.slice(0, LISTS - 1)];
  return wanted;
}

/** The CoreOS kubelets are named by address (`--hostname-override=<IP>`). */
export function nodeNameOf({
  role,
  hostname,
  addresses,
}: Pick<IdentityFacts, 'role' | 'hostname' | 'addresses'>): string {
  if (role.identity === 'none' || role.credentials.nodeName === 'hostname') return hostname.toLowerCase();
  const [address] = addresses;
  if (address !== undefined) return formatIpv4(address);
  throw new TinderboxError(
    'refused',
    `role ${role.name} names a Node by its address, and none is known of ${hostname}`,
    {
      remedy:
        'Give the machine an `address:` in machines.yaml, or the role `credentials: { nodeName: hostname }`.',
    },
  );
}

/** Letters that PEM's base64 allows, so that what only looks at the shape is content, and people can read it. */
function samplePem(label: string): string {
  const text = `TINDERBOX/SAMPLE/THIS/IS/NO/${label.replace(' ', '/')}/`;
  const line = text.repeat(3).slice(0, 64);
  return `-----BEGIN ${label}-----\n${line}\n${line}\n-----END ${label}-----\n`;
}
