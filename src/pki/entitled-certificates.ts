import { type Problem, TinderboxError } from '../errors.ts';
import type { CertificateName } from '../machine/identity.ts';
import { formatIpv4, type Ipv4, parseIpv4 } from '../machine/ipv4.ts';
import { apiServerNames, checkClusterNames, isHostname } from './api-server-names.ts';
import { CERTIFICATE_PROFILES, type CertificateProfile, daysFor, profileOf } from './certificate-profiles.ts';
import type { Entitlement, EntitlementFacts, NamedMachine, Names } from './port.ts';

const DAY = 24 * 60 * 60 * 1000;
const LOOPBACK = parseIpv4('127.0.0.1') as Ipv4;
const NO_NAMES: Names = { dns: [], addresses: [] };

/**
 * Exactly which certificates a machine may have, with which subject and names. Throws TinderboxError: `invalid-config`
 * with every problem if its names or the cluster's cannot be in a certificate; `refused` if it would get one with a
 * name of the API server and is no controller, since it could then pass for it, or is to be a controller that the
 * cluster's others do not know.
 */
export function entitledCertificates(facts: EntitlementFacts): readonly Entitlement[] {
  if (facts.identity === 'none') return [];
  const problems = [
    ...[facts, ...facts.controllers].flatMap(checkMachineNames),
    ...checkClusterNames(facts.cluster),
  ];
  if (problems.length > 0) {
    throw new TinderboxError('invalid-config', `no certificates for ${facts.hostname}`, { problems });
  }
  const hostname = facts.hostname.toLowerCase();
  refuseApiServerNames(facts, hostname);
  refuseStrangeController(facts, hostname);
  const words = { node: (facts.nodeName ?? hostname).toLowerCase(), hostname, user: hostname };
  return CERTIFICATE_PROFILES.filter(({ entitled }) => entitled.includes(facts.identity)).map((profile) =>
    entitlementOf(profile, words, namesOf(profile, facts, hostname), daysFor(profile, facts.identity)),
  );
}

/** Throws `refused`, and says what this machine may ask for, if that is not among it. */
export function findEntitlement(entitlements: readonly Entitlement[], name: string): Entitlement {
  const found = entitlements.find((entitlement) => entitlement.name === name);
  if (found !== undefined) return found;
  const allowed = entitlements.map((entitlement) => entitlement.name).join(', ');
  throw new TinderboxError('refused', `this machine is not entitled to a certificate '${name}'`, {
    remedy: allowed === '' ? 'Its role has `identity: none`.' : `It may ask for: ${allowed}.`,
  });
}

/** For `tinderbox kubeconfig`. Throws `usage` on a name that means something else to Kubernetes. */
export function administratorEntitlement(user: string): Entitlement {
  if (!/^[A-Za-z0-9]([-A-Za-z0-9._@]{0,62}[A-Za-z0-9])?$/.test(user)) {
    throw new TinderboxError('usage', `'${user}' cannot be the name of an administrator`, {
      remedy:
        "Use up to 64 letters, digits, '-', '.', '_' and '@'; names with 'system:' are Kubernetes' own.",
    });
  }
  return entitlementOf(profileOf('administrator'), { user }, NO_NAMES);
}

/** For Tinderbox itself. */
export function watcherEntitlement(): Entitlement {
  return entitlementOf(profileOf('watcher'), {}, NO_NAMES);
}

function entitlementOf(
  profile: CertificateProfile,
  words: Readonly<Record<string, string>>,
  names: Names,
  days = profile.days,
): Entitlement {
  const name: CertificateName = profile.name;
  const commonName = profile.commonName.replace(/\{(\w+)\}/, (_, word: string) => words[word] ?? '');
  return {
    name,
    authority: profile.authority,
    subject: { commonName, organizations: profile.organizations },
    names,
    usage: profile.usage,
    lifetime: days * DAY,
  };
}

function namesOf(profile: CertificateProfile, facts: EntitlementFacts, hostname: string): Names {
  const addresses = [...new Set(facts.addresses)];
  switch (profile.names) {
    case 'none':
      return NO_NAMES;
    case 'machine':
      return { dns: [hostname], addresses };
    case 'etcd-member':
      // Tools on the member itself call it either.
      return { dns: [hostname, 'localhost'], addresses: [...new Set([...addresses, LOOPBACK])] };
    case 'api-server':
      return apiServerNames(facts.cluster, [...facts.controllers, facts]);
  }
}

function checkMachineNames(machine: NamedMachine & { readonly nodeName?: string }): readonly Problem[] {
  const { hostname, addresses, nodeName } = machine;
  const problems: Problem[] = [];
  if (!isHostname(hostname.toLowerCase())) {
    const remedy = 'Use letters, digits and inner hyphens, 63 in a label and 253 in all.';
    problems.push({ severity: 'error', message: `'${hostname}' is no hostname (RFC 1123)`, remedy });
  }
  const own = [hostname.toLowerCase(), ...addresses.map(formatIpv4)];
  if (nodeName !== undefined && !own.includes(nodeName.toLowerCase())) {
    const remedy = `Let the kubelet register as one of: ${own.join(', ')}.`;
    problems.push({
      severity: 'error',
      message: `the Node name '${nodeName}' is neither the machine's hostname nor its address`,
      remedy,
    });
  }
  return problems;
}

/** A node's certificate is a server's too, from the authority that the API server's comes from. */
function refuseApiServerNames(facts: EntitlementFacts, hostname: string): void {
  if (facts.identity !== 'worker') return;
  const reserved = apiServerNames(facts.cluster, facts.controllers);
  const clash =
    [hostname].find((name) => reserved.dns.includes(name)) ??
    facts.addresses.filter((address) => reserved.addresses.includes(address)).map(formatIpv4)[0];
  if (clash === undefined) return;
  throw new TinderboxError('refused', `${clash} belongs to the API server or a controller, not to a worker`, {
    remedy: 'Give the machine a hostname and an address of its own, or the role of a controller.',
  });
}

/**
 * What a worker must not have in its certificate are the names and addresses of the known controllers; so a controller
 * that is not known must not have any, or a worker could get its address next.
 */
function refuseStrangeController(
  { identity, controllers, addresses }: EntitlementFacts,
  hostname: string,
): void {
  if (identity !== 'controller') return;
  const known = controllers.filter((controller) => controller.hostname.toLowerCase() === hostname);
  const remedy =
    'Give its entry in machines.yaml the role, a `hostname:` and an `address:`, or name it in `cluster.controllers` of tinderbox.yaml.';
  if (known.length === 0) {
    throw new TinderboxError('refused', `${hostname} is none of the cluster's controllers`, { remedy });
  }
  const own = known.flatMap((controller) => controller.addresses);
  const strange = addresses.find((address) => !own.includes(address));
  if (strange === undefined) return;
  throw new TinderboxError(
    'refused',
    `the controller ${hostname} is to be at ${own.map(formatIpv4).join(', ')}, not at ${formatIpv4(strange)}`,
    { remedy },
  );
}
