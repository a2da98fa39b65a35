import { type AdmissionPlaces, NO_PLACES } from './boot/admit-machine.ts';
import type { BootPlan } from './boot/boot-plan.ts';
import { clusterMembers } from './boot/cluster-members.ts';
import { planBoot } from './boot/plan-boot.ts';
import type { Config } from './config/port.ts';
import { TinderboxError, toTinderboxError } from './errors.ts';
import { readPins } from './images/pin-assets.ts';
import type { MachineFacts } from './machine/facts.ts';
import { type Ipv4, parseIpv4 } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import { NO_USES, type OnceUses } from './machine/once.ts';
import type { Catalog, Role } from './machine/role.ts';
import { sampleIdentity } from './machine-identity.ts';
import { type MirrorQuestion, mirrorsOfMachine } from './mirrors-of-machine.ts';
import type { NetworkInterface } from './net/port.ts';
import { placeSubnets, presentInterfaces, serverAddressOf, serverUrlOf } from './preflight.ts';
import { SAMPLE_MACHINE_ADDRESS } from './preflight-roles.ts';
import { buildContext } from './render/build-context.ts';
import type { BootContext, IdentityContext } from './render/context.ts';
import { renderBootFiles } from './render/render-boot-files.ts';
import { renderConfig, renderConfigFiles } from './render/render-config.ts';
import { type GrubScriptInput, grubMachineScript } from './render/render-grub.ts';
import { IGNITION_TYPE } from './render/render-ignition.ts';
import { machineScript } from './render/render-script.ts';
import type { RenderedConfig } from './render/render-text.ts';
import { clusterOf, knownNetworks } from './wire-http.ts';

export interface Preview {
  readonly role: string;
  readonly hostname: string;
  readonly reasons: readonly string[];
  readonly script: string;
  /** The same for a GRUB that has HTTP; or why GRUB cannot boot the role. */
  readonly grub: { readonly script: string } | { readonly problem: string };
  /** The main document; undefined for a role without a configuration. */
  readonly config: string | undefined;
  /** What the role gives beside it. */
  readonly files: readonly PreviewFile[];
}

export interface PreviewFile {
  /** Below the session's URL: `nocloud/meta-data`. */
  readonly path: string;
  readonly text: string;
}

/** Who has which hostname. */
export type HostnameHolders = Pick<ReadonlyMap<string, Mac>, 'get'>;

/** What decides beside the catalog. */
export interface MachineMemory {
  readonly places: AdmissionPlaces;
  readonly uses: OnceUses;
  /** What the daemon knows of mirrors; absent: all of them do well. */
  readonly mirrorTrouble?: MirrorQuestion['troubleOf'];
}

export const NO_MEMORY: MachineMemory = { places: NO_PLACES, uses: NO_USES };

/** A machine that boots, and what its templates see, but for its session and its identity. */
export interface PreparedMachine {
  readonly plan: Extract<BootPlan, { kind: 'boot' }>;
  /** As machines reach us, without a trailing slash. */
  readonly url: string;
  readonly contextFor: (given: {
    readonly sessionUrl: string;
    readonly identity: IdentityContext;
    /** In the place of the plan's, with its keys delivered otherwise. */
    readonly role?: Role;
    readonly mirrors?: readonly string[];
  }) => BootContext;
}

/** `via`: the interface that it was last heard on, whose address it is told; absent: it is that of the first one. */
type PreviewFacts = MachineFacts & { readonly via?: string };

/**
 * What a machine would boot if it asked now. `holders` says who has which hostname, `memory` whom
 * rules have admitted and what was booted once; `known` are the provisioning interfaces, read anew where they are not given. Throws `refused`
 * with the reasons if it would not.
 */
export async function prepareMachine(
  config: Config,
  catalog: Catalog,
  facts: PreviewFacts,
  holders: HostnameHolders = new Map(),
  memory: MachineMemory = NO_MEMORY,
  known?: readonly NetworkInterface[],
): Promise<PreparedMachine> {
  const plan = planBoot({
    facts,
    catalog,
    admission: config.admission,
    ...memory,
    holderOf: (hostname) => holders.get(hostname),
  });
  if (plan.kind !== 'boot') {
    throw new TinderboxError('refused', plan.message, { remedy: plan.reasons.join('; ') });
  }
  const interfaces = known ?? (await presentInterfaces(config));
  const { subnets } = placeSubnets(config, interfaces, catalog);
  const pinned = await readPins(config.paths.assets);
  const own = interfaces.find(({ name }) => name === facts.via) ?? interfaces[0];
  // Before the interface exists (on a laptop, in CI) a documentation address stands in.
  const address = own === undefined ? (parseIpv4('192.0.2.1') as Ipv4) : serverAddressOf(own);
  const url = own === undefined ? (config.http.url ?? 'http://192.0.2.1') : serverUrlOf(config, own);
  return {
    plan,
    url,
    contextFor: ({ sessionUrl, identity, role = plan.role, mirrors = [] }) =>
      buildContext({
        plan: { ...plan, role },
        facts,
        cluster: clusterOf(config, catalog),
        server: { address, url },
        syslogPort: config.syslog.port,
        subnets: knownNetworks({ subnets, interfaces }),
        sessionUrl,
        identity,
        pinned,
        mirrors,
      }),
  };
}

/**
 * What a machine would be served if it asked now; `holders`, `memory` and `known` as above. Session URLs say `preview`, since
 * there is no session, and certificates and keys are samples, since nobody may see them. Throws `refused` with the reasons if it would not boot, `invalid-template` if its role does not render.
 */
export async function previewMachine(
  config: Config,
  catalog: Catalog,
  facts: PreviewFacts,
  holders: HostnameHolders = new Map(),
  memory: MachineMemory = NO_MEMORY,
  known?: readonly NetworkInterface[],
): Promise<Preview> {
  const { plan, url, contextFor } = await prepareMachine(config, catalog, facts, holders, memory, known);
  const given = {
    sessionUrl: `${url}/boot/preview`,
    identity: sampleIdentity({
      role: plan.role,
      hostname: plan.hostname,
      addresses: [plan.address ?? facts.address ?? controllerAddress(config, catalog, plan.hostname)],
      cluster: config.cluster,
      catalog,
      csrUrl: `${url}/boot/preview/csr`,
    }),
  };
  const { urls: mirrors, reasons } = mirrorsOfMachine({
    mirrors: config.assets.mirrors,
    facts,
    files: renderBootFiles(plan.role, contextFor(given)),
    troubleOf: memory.mirrorTrouble,
  });
  const context = contextFor({ ...given, mirrors });
  return {
    role: plan.role.name,
    hostname: plan.hostname,
    reasons: [...plan.reasons, ...reasons],
    script: machineScript({ role: plan.role, context, hostname: plan.hostname }),
    grub: grubScript({ role: plan.role, context, hostname: plan.hostname, transport: 'http' }),
    config: plan.role.config === undefined ? undefined : legible(renderConfig(plan.role, context)),
    files: renderConfigFiles(plan.role, context).map(({ path, body }) => ({ path, text: body })),
  };
}

function grubScript(input: GrubScriptInput): Preview['grub'] {
  try {
    return { script: grubMachineScript(input) };
  } catch (thrown) {
    const { message, remedy } = toTinderboxError(thrown);
    return { problem: remedy === undefined ? message : `${message}. ${remedy}` };
  }
}

/** JSON is served on one line, which nobody reads. */
function legible({ body, contentType }: RenderedConfig): string {
  return contentType === IGNITION_TYPE ? `${JSON.stringify(JSON.parse(body), null, 2)}\n` : body;
}

/** A controller that tinderbox.yaml names needs no reservation: it is to be where that says. */
function controllerAddress({ cluster }: Config, catalog: Catalog, hostname: string): Ipv4 {
  const controllers = cluster === undefined ? [] : clusterMembers(cluster, catalog).controllers;
  const known = controllers.find((controller) => controller.hostname === hostname.toLowerCase());
  return known?.address ?? SAMPLE_MACHINE_ADDRESS;
}
