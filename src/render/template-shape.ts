import type { Parameters, ParameterValue } from '../machine/role.ts';
import type { CertificateContext, IdentityContext, PeerContext, TemplateContext } from './context.ts';

/** What is known of a value before there is one. */
export type Shape =
  | { readonly kind: 'map'; readonly members: { readonly [name: string]: Shape | Unknown } }
  | { readonly kind: 'list'; readonly element: Shape | Unknown }
  /** A text, number or truth value: nothing can be asked of it. */
  | { readonly kind: 'leaf' };
/** Anything may be in there: what an operator writes under a parameter is known only when a machine asks. */
export type Unknown = undefined;

export const LEAF: Shape = { kind: 'leaf' };

/** Kept complete by the compiler: a name added to the context must be added here. */
type MembersOf<T> = { readonly [name in keyof Required<T>]: Shape | Unknown };

const MACHINE: MembersOf<TemplateContext['machine']> = {
  mac: LEAF,
  hostname: LEAF,
  address: LEAF,
  prefix: LEAF,
  gateway: LEAF,
  dns: { kind: 'list', element: LEAF },
  uuid: LEAF,
  serial: LEAF,
  arch: LEAF,
  manufacturer: LEAF,
  product: LEAF,
  // What it is asked with, nobody knows before.
  labels: undefined,
};

const listOf = (members: { readonly [name: string]: Shape | Unknown }): Shape => ({
  kind: 'list',
  element: { kind: 'map', members },
});

const PEER: MembersOf<PeerContext> = { hostname: LEAF, address: LEAF };

const CERTIFICATE: MembersOf<CertificateContext> = {
  name: LEAF,
  commonName: LEAF,
  organizations: { kind: 'list', element: LEAF },
  dns: { kind: 'list', element: LEAF },
  addresses: { kind: 'list', element: LEAF },
  certificateFile: LEAF,
  keyFile: LEAF,
  url: LEAF,
  certificate: LEAF,
  key: LEAF,
};

const AUTHORITY: MembersOf<IdentityContext['authorities'][number]> = {
  name: LEAF,
  file: LEAF,
  certificate: LEAF,
};

const SERVICE_ACCOUNTS: MembersOf<IdentityContext['serviceAccounts']> = {
  publicKeyFile: LEAF,
  privateKeyFile: LEAF,
  publicKey: LEAF,
  privateKey: LEAF,
};

const IDENTITY: MembersOf<IdentityContext> = {
  kind: LEAF,
  delivery: LEAF,
  nodeName: LEAF,
  certificates: listOf(CERTIFICATE),
  authorities: listOf(AUTHORITY),
  serviceAccounts: { kind: 'map', members: SERVICE_ACCOUNTS },
};

const CLUSTER: MembersOf<NonNullable<TemplateContext['cluster']>> = {
  name: LEAF,
  apiServer: LEAF,
  apiServerHost: LEAF,
  apiServerPort: LEAF,
  podNetwork: LEAF,
  serviceNetwork: LEAF,
  serviceIP: LEAF,
  dnsServiceIP: LEAF,
  dnsDomain: LEAF,
  controllers: listOf(PEER),
  etcd: listOf(PEER),
  etcdEndpoints: { kind: 'list', element: LEAF },
};

const SERVER: MembersOf<TemplateContext['server']> = { address: LEAF, url: LEAF, syslogPort: LEAF };

/** What the templates of a role see, by the parameters that the role declares. */
export function rootShape(parameters: Parameters): Shape {
  const members: MembersOf<TemplateContext> = {
    machine: { kind: 'map', members: MACHINE },
    cluster: { kind: 'map', members: CLUSTER },
    server: { kind: 'map', members: SERVER },
    role: LEAF,
    bootId: LEAF,
    configUrl: LEAF,
    reportUrl: LEAF,
    assetsUrl: LEAF,
    identity: { kind: 'map', members: IDENTITY },
    parameters: {
      kind: 'map',
      members: Object.fromEntries(
        Object.entries(parameters).map(([name, value]) => [name, parameterShape(value)]),
      ),
    },
  };
  return { kind: 'map', members };
}

/** A default says what sort of value a parameter has, but not what an operator's list or map will hold. */
function parameterShape(value: ParameterValue): Shape | Unknown {
  if (Array.isArray(value)) return { kind: 'list', element: undefined };
  return value === null || typeof value === 'object' ? undefined : LEAF;
}

/**
 * Whether `name` may be asked of it. What every object inherits is nobody's variable, so it is refused even where
 * anything else may be.
 */
export function isKnown(shape: Shape | Unknown, name: string): boolean {
  if (name in Object.prototype) return false;
  if (shape === undefined) return true;
  switch (shape.kind) {
    case 'map':
      return Object.hasOwn(shape.members, name);
    case 'list':
      return name === 'length' || /^\d+$/.test(name);
    case 'leaf':
      return false;
  }
}

export function memberOf(shape: Shape | Unknown, name: string): Shape | Unknown {
  switch (shape?.kind) {
    case 'map':
      return shape.members[name];
    case 'list':
      return name === 'length' ? LEAF : shape.element;
    default:
      return undefined;
  }
}

export function knownNames(shape: Shape | Unknown): readonly string[] {
  return shape?.kind === 'map' ? Object.keys(shape.members) : [];
}
