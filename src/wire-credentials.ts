import { registrationOf } from './boot/node-registration.ts';
import { ownAddress } from './boot/own-address.ts';
import type { CatalogHolder } from './catalog/catalog-holder.ts';
import type { ClusterCredentials } from './cluster/port.ts';
import type { Config } from './config/port.ts';
import type { CredentialRequest, MachineCredentials } from './http/port.ts';
import type { Ipv4 } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import type { Catalog } from './machine/role.ts';
import type { NodeRegistration } from './machine/session.ts';
import {
  entitlementsOf,
  type IdentityFacts,
  issueIdentity,
  nodeNameOf,
  releasesSecrets,
  sampleIdentity,
} from './machine-identity.ts';
import { findEntitlement, watcherEntitlement } from './pki/entitled-certificates.ts';
import type { Authorities, SignedCertificate } from './pki/port.ts';
import type { Journal, LeaseBook, ReleaseBook } from './store/port.ts';

export interface CredentialWiring {
  readonly config: Config;
  readonly catalog: Pick<CatalogHolder, 'current'>;
  readonly store: ReleaseBook;
  readonly journal: Pick<Journal, 'addressUser'>;
  readonly leases: Pick<LeaseBook, 'holderOf'>;
  /** Undefined: tinderbox.yaml has no `cluster:`. */
  readonly authorities: Authorities | undefined;
}

/** The cluster's certificates for the provisioning plane. */
export function credentialsOf(wiring: CredentialWiring): MachineCredentials | undefined {
  const { config, authorities, store } = wiring;
  if (authorities === undefined) return undefined;
  const inputOf = (request: CredentialRequest) => ({
    ...factsOf(wiring, request),
    authorities,
    csrUrl: csrUrlOf(request.sessionUrl),
  });
  return {
    releasesSecrets: (role) => releasesSecrets(role, config.cluster !== undefined),
    sample: (request) => sampleIdentity(inputOf(request)),
    async issue(request) {
      const certificates: SignedCertificate[] = [];
      const identity = await issueIdentity(inputOf(request), (one) => certificates.push(one));
      return { identity, certificates };
    },
    entitlement: (request, name) => findEntitlement(entitlementsOf(factsOf(wiring, request)), name),
    signRequest: (pem, entitlement, options) => authorities.signRequest(pem, entitlement, options),
    book: store,
  };
}

/** Where a machine posts its signing requests, without the query. */
export function csrUrlOf(sessionUrl: string): string {
  return `${sessionUrl}/csr`;
}

/** The reservation is its address, where it has one; else the one that it asks from. Throws as ownAddress does. */
export function factsOf(
  wiring: Pick<CredentialWiring, 'config' | 'catalog' | 'journal' | 'leases'>,
  { mac, plan, remote }: Pick<CredentialRequest, 'mac' | 'plan' | 'remote'>,
): IdentityFacts {
  const { config, catalog } = wiring;
  const getsCertificates = config.cluster !== undefined && plan.role.identity !== 'none';
  const address = getsCertificates ? addressOf(wiring, { mac, plan, remote }) : plan.address;
  return {
    role: plan.role,
    hostname: plan.hostname,
    addresses: address === undefined ? [] : [address],
    cluster: config.cluster,
    catalog: catalog.current(),
  };
}

function addressOf(
  { catalog, journal, leases }: Pick<CredentialWiring, 'catalog' | 'journal' | 'leases'>,
  { mac, plan, remote }: Pick<CredentialRequest, 'mac' | 'plan' | 'remote'>,
): Ipv4 | undefined {
  return ownAddress({
    mac,
    reserved: plan.address,
    remote,
    reservedFor: (address) => reservedFor(catalog.current(), address),
    leasedTo(address) {
      const holder = leases.holderOf(address);
      return holder?.state === 'bound' ? holder.mac : undefined;
    },
    usedBy: (address) => journal.addressUser(address),
  });
}

/** By catalog, which is never changed: looking through ten thousand entries at each request is not free. */
const reservations = new WeakMap<Catalog, ReadonlyMap<Ipv4, Mac>>();

function reservedFor(catalog: Catalog, address: Ipv4): Mac | undefined {
  const known = reservations.get(catalog);
  if (known !== undefined) return known.get(address);
  const found = new Map<Ipv4, Mac>();
  for (const entry of catalog.machines.values()) {
    if (entry.address !== undefined && !found.has(entry.address)) found.set(entry.address, entry.mac);
  }
  reservations.set(catalog, found);
  return found.get(address);
}

/** What a machine's Node is to register with; undefined without a cluster, or where its role says nothing of Nodes. */
export function nodeRegistrationOf(
  wiring: Pick<CredentialWiring, 'config' | 'catalog' | 'journal' | 'leases'>,
  request: Pick<CredentialRequest, 'mac' | 'plan' | 'remote'>,
): NodeRegistration | undefined {
  if (wiring.config.cluster === undefined) return undefined;
  const facts = factsOf(wiring, request);
  const { role, parameters } = request.plan;
  const isUnknown = facts.addresses.length === 0 && role.credentials.nodeName === 'address';
  return registrationOf(role, parameters, isUnknown ? undefined : nodeNameOf(facts));
}

/** With what Tinderbox itself goes to the API server: new keys at each call. Throws as Authorities.issue does. */
export async function watcherCredentials(authorities: Authorities): Promise<ClusterCredentials> {
  const { certificatePem, keyPem, notAfter } = await authorities.issue(watcherEntitlement());
  return { caPem: authorities.trustOf('kubernetes'), certificatePem, keyPem, notAfter };
}
