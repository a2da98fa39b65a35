import type { BootPlan } from '../boot/boot-plan.ts';
import type { Subnet } from '../boot/subnet.ts';
import type { MachineFacts } from '../machine/facts.ts';
import { formatIpv4, type Ipv4, networkContains } from '../machine/ipv4.ts';
import { bootIdOf } from './boot-id.ts';
import { configUrlOf } from './config-documents.ts';
import { type BootContext, type ClusterContext, type IdentityContext, noIdentity } from './context.ts';

export interface ContextInput {
  readonly plan: Extract<BootPlan, { kind: 'boot' }>;
  readonly facts: MachineFacts;
  readonly cluster: ClusterContext | undefined;
  /** Address and URL as this machine reached us. */
  readonly server: { readonly address: Ipv4; readonly url: string };
  /** Absent: it takes no syslog. */
  readonly syslogPort?: number | undefined;
  /** The networks whose router and name servers are known. */
  readonly subnets: readonly Pick<Subnet, 'network' | 'router' | 'dns'>[];
  /** `<server.url>/boot/<session>`; of a preview, a URL that says so. */
  readonly sessionUrl: string;
  /** Absent: it gets no certificates. */
  readonly identity?: IdentityContext;
  /** As BootContext has it. */
  readonly pinned?: ReadonlyMap<string, string>;
  readonly mirrors?: readonly string[];
}

/** Everything a role's templates see, for one machine. */
export function buildContext({
  plan,
  facts,
  cluster,
  server,
  syslogPort = 0,
  subnets,
  sessionUrl,
  identity,
  pinned,
  mirrors = [],
}: ContextInput): BootContext {
  const { address } = plan;
  const subnet =
    address === undefined ? undefined : subnets.find(({ network }) => networkContains(network, address));
  return {
    machine: {
      mac: facts.mac,
      hostname: plan.hostname,
      address: address === undefined ? '' : formatIpv4(address),
      prefix: subnet?.network.prefix ?? 0,
      gateway: subnet?.router === undefined ? '' : formatIpv4(subnet.router),
      dns: (subnet?.dns ?? []).map(formatIpv4),
      uuid: facts.uuid ?? '',
      serial: facts.serial ?? '',
      arch: facts.arch ?? '',
      manufacturer: facts.manufacturer ?? '',
      product: facts.product ?? '',
      labels: facts.labels ?? {},
    },
    role: plan.role.name,
    parameters: plan.parameters,
    ...(cluster === undefined ? {} : { cluster }),
    server: { address: formatIpv4(server.address), url: server.url, syslogPort },
    bootId: bootIdOf(facts.mac, sessionUrl),
    configUrl: configUrlOf(sessionUrl, plan.role.config?.format),
    reportUrl: `${sessionUrl}/report`,
    assetsUrl: `${mirrors[0] ?? server.url}/assets`,
    identity: identity ?? noIdentity(plan.hostname),
    ...(pinned === undefined ? {} : { pinned }),
    ...(mirrors.length === 0 ? {} : { mirrors }),
  };
}
