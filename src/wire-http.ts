import { availableParallelism } from 'node:os';
import { admitByPlan } from './admit-by-plan.ts';
import type { BootPlan } from './boot/boot-plan.ts';
import { clusterMembers } from './boot/cluster-members.ts';
import { lastStageOf } from './boot/last-stage.ts';
import { planBoot } from './boot/plan-boot.ts';
import type { SessionTokens } from './boot/session-token.ts';
import type { CatalogHolder } from './catalog/catalog-holder.ts';
import type { Config } from './config/port.ts';
import { SYSLOG_PORT } from './config/resolve.ts';
import { limitsWithin } from './http/limits-within.ts';
import type {
  BootPlaces,
  CredentialRequest,
  GrubRenderer,
  HttpServer,
  HttpServerOptions,
  PullThrough,
  Renderer,
} from './http/port.ts';
import { startHttpServer } from './http/server.ts';
import { createPins } from './images/pin-assets.ts';
import type { Loggers } from './logger.ts';
import type { MachineFacts } from './machine/facts.ts';
import { type Ipv4Network, networkOf } from './machine/ipv4.ts';
import type { Catalog } from './machine/role.ts';
import { describeIdentity } from './machine-identity.ts';
import { mirrorsOfMachine } from './mirrors-of-machine.ts';
import { readDescriptorLimit } from './net/descriptor-limit.ts';
import { createFileSender, memoryFiles } from './net/file-sender.ts';
import { describeHolders, whoHoldsTcpPort } from './net/who-holds-port.ts';
import type { ProvisioningNetworks } from './provisioning.ts';
import { buildContext } from './render/build-context.ts';
import { clusterContext } from './render/cluster-context.ts';
import type { ClusterContext, IdentityContext } from './render/context.ts';
import { renderBootFiles } from './render/render-boot-files.ts';
import { renderConfig } from './render/render-config.ts';
import { grubBootstrap, grubMachineScript, grubRefusalScript, grubWaitScript } from './render/render-grub.ts';
import { bootstrapScript, machineScript, refusalScript, waitScript } from './render/render-script.ts';
import { createSentFiles } from './sent-files.ts';
import type { BootFiles } from './servers/tftp-files.ts';
import type { AdmissionBook, Journal, OnceBook } from './store/port.ts';
import type { MirrorWatch } from './watch-mirrors.ts';
import {
  type CredentialWiring,
  credentialsOf,
  csrUrlOf,
  factsOf,
  nodeRegistrationOf,
} from './wire-credentials.ts';

/** Two of them fill a 100 Gb/s link (measured on loopback). */
const SENDER_THREADS = 2;

export interface HttpWiring extends CredentialWiring {
  readonly catalog: CatalogHolder;
  /** As they are now: asked for each script. */
  readonly networks: () => ProvisioningNetworks;
  readonly bootFiles: Pick<BootFiles, 'find'>;
  readonly journal: Journal;
  readonly admissions: AdmissionBook;
  readonly once: OnceBook;
  readonly sessionTokens: SessionTokens;
  readonly mirrors: Pick<MirrorWatch, 'troubleOf' | 'doubt'>;
  /** Undefined: what is not here is nowhere. */
  readonly pullThrough: PullThrough | undefined;
  /** Undefined: nobody waits. */
  readonly queue: BootPlaces | undefined;
  readonly loggers: Loggers;
  readonly now: () => number;
}

/** Listens nowhere yet. */
export async function startHttpOn(wiring: HttpWiring): Promise<HttpServer> {
  const { config, catalog, networks, bootFiles, journal, sessionTokens, authorities, loggers, now } = wiring;
  const sent = createSentFiles();
  const pins = createPins(config.paths.assets);
  const credentials = credentialsOf(wiring);
  const described = ({ mac, plan, remote, sessionUrl }: CredentialRequest): IdentityContext | undefined =>
    authorities === undefined
      ? undefined
      : describeIdentity({
          ...factsOf(wiring, { mac, plan, remote }),
          authorities,
          csrUrl: csrUrlOf(sessionUrl),
        });
  const inMemory = memoryFiles();
  const fileSender = createFileSender({
    threads: Math.min(availableParallelism(), SENDER_THREADS),
    crashed(reason) {
      journal.count('http.sender-crashed');
      loggers.http.error(`a thread that sends files ended: ${reason}; its downloads failed`);
    },
  });
  const options: HttpServerOptions = {
    listen: [],
    port: config.http.port,
    ...(config.http.url === undefined ? {} : { url: config.http.url }),
    assets: config.paths.assets,
    ...(wiring.pullThrough === undefined ? {} : { pullThrough: wiring.pullThrough }),
    findLoader: (name) => bootFiles.find(name),
    cacheBytes: config.http.cacheBytes,
    ...(inMemory === undefined ? {} : { memoryFiles: inMemory }),
    ...(fileSender === undefined ? {} : { fileSender }),
    limits: limitsWithin(readDescriptorLimit()),
    sessionTime: config.http.sessionTime,
    strictAddress: config.http.strictAddress,
    journal,
    sessionTokens,
    joinsCluster: (role) => lastStageOf(role, config.cluster !== undefined) === 'ready',
    registration: (request) => nodeRegistrationOf(wiring, request),
    async plan(facts, choice) {
      await pins.refresh();
      return planMachine(wiring, facts, choice);
    },
    once: wiring.once,
    ...(credentials === undefined ? {} : { credentials }),
    ...(config.http.matchbox ? { matchbox: { plan: (facts) => planKnown(wiring, facts) } } : {}),
    buildContext({ plan, facts, session, server, sessionUrl, remote, identity: released, loader }) {
      const identity = released ?? described({ mac: facts.mac, plan, remote, sessionUrl });
      const input = {
        plan,
        facts,
        cluster: clusterOf(config, catalog.current()),
        server,
        syslogPort: config.syslog.port,
        subnets: knownNetworks(networks()),
        sessionUrl,
        pinned: pins.current(),
        ...(identity === undefined ? {} : { identity }),
      };
      const context = buildContext(input);
      // What a machine downloads is in its script, which holds no secret. Later it is known, but for a restart of the daemon.
      const isAsked =
        loader !== undefined || config.assets.mirrors.length > 0 || sent.of(session.id) === undefined;
      const files = released === undefined && isAsked ? renderBootFiles(plan.role, context) : undefined;
      const chosen = mirrorsOfMachine({
        mirrors: config.assets.mirrors,
        facts: remote === undefined ? facts : { ...facts, address: remote },
        files,
        loader,
        troubleOf: (mirror, wanted) => wiring.mirrors.troubleOf(mirror, wanted),
      });
      // Sessions that are about to open have one number, and another machine had it before.
      if (files === undefined && loader !== undefined) sent.forget(session.id);
      if (files !== undefined) sent.remember(session.id, { ...files, mirror: chosen.urls[0] });
      // The very context where there is no mirror: what was made of it serves its script, too.
      const own = chosen.urls.length === 0 ? context : buildContext({ ...input, mirrors: chosen.urls });
      return Object.assign(own, { mirrorReasons: chosen.reasons });
    },
    syslog: config.syslog.port === SYSLOG_PORT,
    renderer: RENDERER,
    grub: GRUB,
    assetStage(session, path) {
      const files = sent.of(session.id);
      if (files === undefined) return undefined;
      // It was sent there, and came here.
      if (files.mirror !== undefined) wiring.mirrors.doubt(files.mirror);
      if (files.kernel === path) return 'kernel';
      return files.initrd.includes(path) ? 'initrd' : undefined;
    },
    assetPaths(session) {
      const files = sent.of(session.id);
      // Who loads from a mirror takes nobody's place here.
      if (files === undefined || files.mirror !== undefined) return undefined;
      return [files.kernel, ...files.initrd].filter((path) => path.startsWith('/assets/'));
    },
    ...(wiring.queue === undefined ? {} : { queue: wiring.queue }),
    logger: loggers.http,
    clock: now,
    whoHolds: async (port) => describeHolders(await whoHoldsTcpPort(port)),
  };
  const server = await startHttpServer(options);
  return {
    ...server,
    async stop(how) {
      await server.stop(how);
      await fileSender?.stop();
    },
  };
}

/** What this machine would boot now, by the newest profiles. `choice`: as planBoot has it. */
export async function planMachine(
  {
    config,
    catalog,
    journal,
    admissions,
    once,
  }: Pick<HttpWiring, 'config' | 'catalog' | 'journal' | 'admissions' | 'once'>,
  facts: MachineFacts,
  choice?: string,
): Promise<BootPlan> {
  await catalog.refresh();
  const deps = { admission: config.admission, journal, admissions, once };
  return admitByPlan(deps, facts, catalog.current(), choice);
}

const GRUB: GrubRenderer = {
  bootstrap: grubBootstrap,
  machineScript: grubMachineScript,
  waitScript: grubWaitScript,
  refusalScript: grubRefusalScript,
};

/** As planMachine, but nobody takes a place of a rule with `max` by asking: who has none is not admitted. */
async function planKnown(
  { config, catalog, journal, admissions, once }: HttpWiring,
  facts: MachineFacts,
): Promise<BootPlan> {
  await catalog.refresh();
  const plan = planBoot({
    facts,
    catalog: catalog.current(),
    admission: config.admission,
    places: admissions,
    uses: once,
    choice: journal.sessionOf(facts.mac)?.role,
    holderOf: (hostname) => journal.hostnameHolder(hostname),
  });
  if (plan.kind !== 'boot' || plan.place === undefined || admissions.ruleOf(facts.mac) === plan.place)
    return plan;
  const message = 'a rule with max: would admit this machine, when it asks at /ipxe';
  return { kind: 'wait', message, reasons: [...plan.reasons, message] };
}

const RENDERER: Renderer = { bootstrapScript, machineScript, waitScript, refusalScript, renderConfig };

/** `cluster` of templates; undefined where tinderbox.yaml has none. */
export function clusterOf(
  { cluster }: Pick<Config, 'cluster'>,
  catalog: Catalog,
): ClusterContext | undefined {
  return cluster === undefined ? undefined : clusterContext(cluster, clusterMembers(cluster, catalog));
}

/** In proxy mode, too, a machine with a fixed address needs the prefix of its network. */
export function knownNetworks({ subnets, interfaces }: Pick<ProvisioningNetworks, 'subnets' | 'interfaces'>) {
  const own = interfaces.flatMap(({ addresses }) =>
    addresses.map(({ address, prefix }): { network: Ipv4Network; dns: readonly [] } => ({
      network: networkOf(address, prefix),
      dns: [],
    })),
  );
  return [...subnets, ...own];
}
