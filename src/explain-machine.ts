import { machineView, sessionView } from './admin/api.ts';
import type { AssignmentView, ExplainView, PreviewView } from './admin/explain-api.ts';
import type { AdmissionPlaces } from './boot/admit-machine.ts';
import type { BootPlan } from './boot/boot-plan.ts';
import type { AddressView } from './boot/choose-address.ts';
import { chooseBootfile } from './boot/choose-bootfile.ts';
import { chooseLoaders } from './boot/choose-loaders.ts';
import { chooseRole } from './boot/choose-role.ts';
import { explainRole } from './boot/explain-role.ts';
import { knownFirmware } from './boot/known-firmware.ts';
import { maskSecrets } from './boot/mask-secrets.ts';
import { planBoot } from './boot/plan-boot.ts';
import { readEntryText } from './catalog/read-entry-text.ts';
import { revisionOf } from './catalog/revision-of.ts';
import type { Config } from './config/port.ts';
import { type Problem, TinderboxError, toTinderboxError } from './errors.ts';
import { explainDhcp } from './explain-dhcp.ts';
import type { FirmwareArchitecture } from './machine/architecture.ts';
import type { MachineFacts } from './machine/facts.ts';
import { formatIpv4, UNSPECIFIED } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import type { OnceUses } from './machine/once.ts';
import type { Catalog, MachineEntry } from './machine/role.ts';
import { onceView } from './once-view.ts';
import { type HostnameHolders, type MachineMemory, previewMachine } from './preview.ts';
import type { ProvisioningNetworks } from './provisioning.ts';
import { dhcpFacts } from './remember-loaders.ts';
import { suggestName } from './render/suggest-name.ts';
import { allLoaders } from './servers/boot-file-index.ts';
import type { BootLoopWatch } from './servers/watch-boot-loops.ts';
import type { StoreReader } from './store/port.ts';

/** What an explanation is made from: a running daemon's parts, or the files and the database. */
export interface ExplainSources {
  readonly config: Config;
  readonly catalog: Catalog;
  /** Why the files of profiles/ are not in force. */
  readonly catalogProblems: readonly Problem[];
  /** Undefined: there is no database yet. */
  readonly store: Pick<StoreReader, 'findMachine' | 'listSessions' | 'listEvents'> | undefined;
  readonly holders: HostnameHolders;
  readonly places: AdmissionPlaces;
  readonly uses: OnceUses;
  /** As MachineMemory has it. */
  readonly mirrorTrouble?: MachineMemory['mirrorTrouble'];
  readonly networks: ProvisioningNetworks;
  readonly isBootfilePresent: (file: string) => boolean;
  /** Undefined: no daemon runs that knows. */
  readonly leases: AddressView | undefined;
  /** The same. */
  readonly loops: Pick<BootLoopWatch, 'peek'> | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The newest events are looked through for what the firmware said. */
const EVENTS = 300;

/**
 * Why a machine gets what it gets, what it would get now, and what its last boot did; also of one that was never seen.
 * `architecture`: as if its firmware were this. Nothing is changed.
 */
export async function explainMachine(
  sources: ExplainSources,
  mac: Mac,
  architecture?: FirmwareArchitecture,
): Promise<ExplainView> {
  const { config, catalog, store, networks } = sources;
  const known = await store?.findMachine(mac);
  const sessions = (await store?.listSessions(mac, { limit: 20, offset: 0 })) ?? [];
  const session = sessions.find(({ signingUntil }) => signingUntil === undefined);
  const events = known === undefined ? [] : ((await store?.listEvents({ mac, limit: EVENTS })) ?? []);
  const facts: MachineFacts & { readonly via?: string } = known?.machine ?? { mac };
  const plan = planOf(sources, facts);
  const firmware =
    architecture === undefined
      ? knownFirmware(facts, events)
      : { architecture, reasons: [`as if it were ${architecture.label}`] };
  const assignment = await explainAssignment(sources, facts);
  const { preview, problem } = await tryPreview(sources, facts, plan);
  const lastEvent = events.at(-1);
  return {
    mac,
    ...(known === undefined ? {} : { machine: machineView(known.machine) }),
    ...(session === undefined ? {} : { session: sessionView(session) }),
    assignment,
    decision: plan.kind,
    message: plan.kind === 'boot' ? `It boots as ${plan.hostname}, role ${plan.role.name}` : plan.message,
    // Where its files come from is known with the preview alone.
    reasons: (preview?.reasons ?? plan.reasons).filter((reason) => !assignment.reasons.includes(reason)),
    ...(firmware.architecture === undefined
      ? {}
      : { bootfile: explainBootfile(sources, facts, firmware.architecture, firmware.reasons) }),
    dhcp: explainDhcp({
      config,
      catalog,
      uses: sources.uses,
      networks,
      isBootfilePresent: sources.isBootfilePresent,
      leases: sources.leases,
      loops: sources.loops,
      facts,
      architecture: firmware.architecture,
      now: sources.now,
    }),
    ...(preview === undefined ? {} : { preview }),
    problems: [...(problem === undefined ? [] : problem), ...sources.catalogProblems],
    ...(session?.stalled === undefined ? {} : { diagnosis: session.stalled.diagnosis }),
    ...(lastEvent === undefined ? {} : { lastEvent }),
  };
}

/**
 * What a machine would be served now, fit to be looked at: secrets are masked. With `role`: as if it were assigned that.
 * Throws as previewMachine does, and `not-found` for an unknown role.
 */
export async function previewMasked(sources: ExplainSources, mac: Mac, role?: string): Promise<PreviewView> {
  const facts = (await sources.store?.findMachine(mac))?.machine ?? { mac };
  const catalog = role === undefined ? sources.catalog : withRole(sources.catalog, mac, role);
  return maskedPreview({ ...sources, catalog }, facts);
}

function withRole(catalog: Catalog, mac: Mac, role: string): Catalog {
  if (!catalog.roles.has(role)) {
    const remedy = suggestName(role, [...catalog.roles.keys()]);
    throw new TinderboxError('not-found', `there is no role ${role}`, remedy === undefined ? {} : { remedy });
  }
  const known = catalog.machines.get(mac);
  const { once: _once, ...rest } = known ?? { mac, parameters: {}, line: 0 };
  const entry: MachineEntry = { ...rest, role };
  return { ...catalog, machines: new Map([...catalog.machines, [mac, entry]]) };
}

async function maskedPreview(
  { config, catalog, holders, places, uses, mirrorTrouble, networks: { interfaces } }: ExplainSources,
  facts: MachineFacts & { readonly via?: string },
): Promise<PreviewView> {
  const memory = { places, uses, mirrorTrouble };
  const preview = await previewMachine(config, catalog, facts, holders, memory, interfaces);
  const { parameters } = chooseRole(facts, catalog, uses);
  return {
    role: preview.role,
    hostname: preview.hostname,
    reasons: preview.reasons,
    script: maskSecrets(preview.script, parameters),
    ...(preview.config === undefined ? {} : { config: maskSecrets(preview.config, parameters) }),
    ...(preview.files.length === 0
      ? {}
      : { files: preview.files.map(({ path, text }) => ({ path, text: maskSecrets(text, parameters) })) }),
  };
}

/** What it would boot now. */
export function planOf(
  { config, catalog, places, uses, holders }: ExplainSources,
  facts: MachineFacts,
): BootPlan {
  const holderOf = (hostname: string) => holders.get(hostname);
  return planBoot({ facts, catalog, admission: config.admission, places, uses, holderOf });
}

async function tryPreview(
  sources: ExplainSources,
  facts: MachineFacts & { readonly via?: string },
  plan: BootPlan,
): Promise<{ readonly preview?: PreviewView; readonly problem?: readonly Problem[] }> {
  if (plan.kind !== 'boot') return {};
  try {
    return { preview: await maskedPreview(sources, facts) };
  } catch (thrown) {
    const { message, remedy, problems } = toTinderboxError(thrown);
    if (problems.length > 0) return { problem: problems };
    return { problem: [{ severity: 'error', message, ...(remedy === undefined ? {} : { remedy }) }] };
  }
}

async function explainAssignment(
  { catalog, uses }: Pick<ExplainSources, 'catalog' | 'uses'>,
  facts: MachineFacts,
): Promise<AssignmentView> {
  const { choice, from, line, reasons } = explainRole(facts, catalog, uses);
  const { role, entry } = choice;
  const once = onceView(catalog, facts, uses);
  return {
    from,
    ...(role === undefined ? {} : { role: role.name }),
    ...(entry?.role === undefined ? {} : { own: entry.role }),
    ...(once === undefined ? {} : { once }),
    ...(entry?.hostname === undefined ? {} : { hostname: entry.hostname }),
    ...(entry?.address === undefined ? {} : { address: formatIpv4(entry.address) }),
    file: catalog.file,
    ...(line === undefined ? {} : { line }),
    reasons,
    // A file that an editor just left broken has no entries: whoever edits it by that is told so.
    revision: revisionOf(await readEntryText(catalog.file, facts.mac).catch(() => undefined)),
  };
}

function explainBootfile(
  { config, catalog, uses, isBootfilePresent }: ExplainSources,
  { mac, uuid, relay, address }: MachineFacts,
  architecture: FirmwareArchitecture,
  reasons: readonly string[],
): NonNullable<ExplainView['bootfile']> {
  const decision = chooseBootfile({
    client: {
      mac,
      kind: 'rom',
      transport: architecture.transport,
      architecture,
      fetchesScripts: false,
      uuid,
      reasons,
    },
    loaders: allLoaders(config.loaders),
    roleLoaders: () =>
      chooseLoaders(
        dhcpFacts({ mac, uuid, architecture }, relay ?? UNSPECIFIED, address ?? UNSPECIFIED),
        catalog,
        uses,
      ),
    isPresent: isBootfilePresent,
    // Only the file's name is of interest here: the URL of HTTP boot depends on the interface, and stands in the answer.
    serverUrl: '',
  });
  return {
    architecture: architecture.name,
    ...(decision.kind === 'none' ? {} : { file: decision.value }),
    reasons: decision.reasons,
  };
}
