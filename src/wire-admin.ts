import { hostname as ownName } from 'node:os';
import { join } from 'node:path';
import { type DaemonStatus, type InterfaceStatus, overviewView } from './admin/api.ts';
import type { DoctorReport } from './admin/doctor-api.ts';
import type { AdminServer } from './admin/port.ts';
import { startAdminServer } from './admin/server.ts';
import { openAdminTls } from './admin-tls.ts';
import { openAdminToken } from './admin-token.ts';
import { approveMachine } from './approve-machine.ts';
import type { AuditTrail } from './audit-trail.ts';
import { judgeOnce } from './boot/judge-once.ts';
import type { SessionTokens } from './boot/session-token.ts';
import { capturePackets } from './capture-packets.ts';
import { assignInProfiles, roleChange } from './catalog/assign-in-profiles.ts';
import type { CatalogHolder } from './catalog/catalog-holder.ts';
import type { Config } from './config/port.ts';
import { createAssigned } from './describe-assigned.ts';
import { describeRoles } from './describe-roles.ts';
import { TinderboxError } from './errors.ts';
import { type ExplainSources, explainMachine, previewMasked } from './explain-machine.ts';
import { forgetMachine, type NodeRemover } from './forget-machine.ts';
import type { BootPlaces } from './http/port.ts';
import type { KeptPullThrough } from './images/pull-through.ts';
import { admissionsOf } from './known-holders.ts';
import type { LogControl } from './log-control.ts';
import type { Loggers } from './logger.ts';
import { parseMac } from './machine/mac.ts';
import type { BootSession } from './machine/session.ts';
import { copyToStream } from './make-backup.ts';
import type { NetworkInterface } from './net/port.ts';
import { openSigningSession } from './open-signing-session.ts';
import type { Authorities } from './pki/port.ts';
import { catalogCheck, type Preflight } from './preflight.ts';
import { DATABASE_FILE } from './preflight-state.ts';
import type { ProvisioningNetworks } from './provisioning.ts';
import { checkRoleTemplates } from './render/check-templates.ts';
import { runDoctor } from './run-doctor.ts';
import type { ConsoleMemory } from './servers/console-memory.ts';
import type { BootLoopWatch } from './servers/watch-boot-loops.ts';
import type { FlightRecorder } from './store/flight-recorder.ts';
import type { AdmissionBook, Journal, LeaseBook, OnceBook, Store } from './store/port.ts';
import { listSetAside } from './store/set-aside.ts';
import { rememberUsers } from './user-of-socket.ts';
import { readVersion } from './version.ts';
import type { DhcpServerWatch } from './watch-dhcp-servers.ts';
import type { MirrorWatch } from './watch-mirrors.ts';
import type { DaemonMetrics } from './wire-metrics.ts';
import { createPowerCommands } from './wire-power.ts';
import { queueCommands } from './wire-queue.ts';

export interface AdminWiring {
  readonly config: Config;
  readonly catalog: CatalogHolder;
  readonly preflight: Pick<Preflight, 'bootFileIndex'>;
  /** As they are now: asked for each request. */
  readonly networks: () => ProvisioningNetworks;
  /** Every interface of this host, as it is now. */
  readonly host: () => readonly NetworkInterface[];
  readonly interfaceStates: () => readonly InterfaceStatus[];
  readonly store: Store;
  readonly journal: Journal;
  readonly recorder: FlightRecorder;
  readonly metrics: DaemonMetrics;
  /** The newest boot session of each machine. */
  readonly sessions: () => Iterable<BootSession>;
  readonly admissions: AdmissionBook;
  readonly once: OnceBook;
  readonly leases: LeaseBook;
  /** What the API server says of Nodes; undefined: tinderbox.yaml has no `cluster:`. */
  readonly cluster: NodeRemover | undefined;
  readonly sessionTokens: SessionTokens;
  /** Undefined: tinderbox.yaml has no `cluster:`. */
  readonly authorities: Authorities | undefined;
  readonly dhcpServers: Pick<DhcpServerWatch, 'servers'>;
  readonly mirrors: Pick<MirrorWatch, 'states' | 'troubleOf'>;
  readonly pullThrough: Pick<KeptPullThrough, 'state'> | undefined;
  readonly audit: AuditTrail;
  readonly consoles: Pick<ConsoleMemory, 'read' | 'forget'>;
  readonly queue: BootPlaces | undefined;
  readonly loopWatch: Pick<BootLoopWatch, 'peek'>;
  readonly logControl: LogControl;
  readonly loggers: Loggers;
  readonly now: () => number;
}

export async function startAdminOn(wiring: AdminWiring): Promise<AdminServer> {
  const { config, catalog, networks, host, store, journal, recorder, audit, loggers, now } = wiring;
  const startedAt = now();
  const macOf = (via: string) => parseMac(host().find(({ name }) => name === via)?.mac ?? '');
  const addresses = () => host().flatMap((one) => one.addresses.map(({ address }) => address));
  const tls = await openAdminTls({ config, addresses, clock: now });
  return startAdminServer({
    socket: config.admin.socket,
    ...(config.admin.listen === undefined ? {} : { listen: config.admin.listen }),
    ...(tls === undefined ? {} : { tls }),
    access: {
      token: await openAdminToken(config.paths.state, loggers.admin),
      names: [ownName(), ...config.admin.names],
      userOf: rememberUsers(),
    },
    audit,
    store,
    journal,
    status: () => statusOf(wiring, startedAt),
    assign: ({ mac, hostname, address, revision, ...wanted }) =>
      audit.changing(async () => {
        const { before, changed } = await assignInProfiles({
          dir: config.paths.profiles,
          mac,
          ...roleChange(wanted),
          ...(hostname === undefined ? {} : { hostname }),
          ...(revision === undefined ? {} : { revision }),
          ...(address === undefined ? {} : { address }),
          checkRole: checkRoleTemplates,
          checkCatalog: catalogCheck(config, networks().interfaces),
        });
        await catalog.reload();
        // Behind the edit: one that is refused must not have it boot once again what its entry still says.
        const renewed = wanted.once === true && (await wiring.once.renew(mac));
        const entry = catalog.current().machines.get(mac);
        const isPending = judgeOnce(entry, wiring.once)?.state !== 'used';
        return {
          mac,
          ...(before === undefined ? {} : { before }),
          ...(entry?.role === undefined ? {} : { role: entry.role }),
          ...(entry?.once === undefined || !isPending ? {} : { once: entry.once }),
          ...(hostname === undefined ? {} : { hostname }),
          changed: changed || renewed,
          file: catalog.current().file,
        };
      }),
    approve: ({ mac, ...change }) =>
      audit.changing(async () => {
        const facts = journal.machine(mac);
        const approved = await approveMachine({
          ...change,
          config,
          interfaces: networks().interfaces,
          mac,
          facts,
          uses: wiring.once,
          holderOf: (hostname) => journal.hostnameHolder(hostname),
        });
        await catalog.reload();
        return { mac, ...approved, seen: facts !== undefined, file: catalog.current().file };
      }),
    console: (mac, after = 0) => ({ mac, ...wiring.consoles.read(mac, after) }),
    explain: (mac, architecture) => explainMachine(explainSources(wiring), mac, architecture),
    assigned: createAssigned(() => explainSources(wiring)),
    doctor: alone(() => examine(wiring, startedAt)),
    forget: (mac) =>
      audit.changing(async () => {
        const forgotten = await forgetMachine({ ...wiring, interfaces: networks().interfaces }, mac);
        wiring.queue?.leave(mac);
        recorder.forget(mac);
        wiring.consoles.forget(mac);
        return forgotten;
      }),
    metrics: async () => wiring.metrics.render({ ...wiring, status: await statusOf(wiring, startedAt) }),
    capture: (mac, window) => capturePackets({ recorder, macOf }, mac, window),
    makeSigningToken: (request) => openSigningSession(wiring, request),
    power: createPowerCommands(wiring),
    queue: queueCommands(wiring),
    powerKind: (mac) => catalog.current().machines.get(mac)?.power?.kind,
    roles: describeRoles({
      dir: config.paths.profiles,
      catalog,
      sessions: wiring.sessions,
      preview: (mac, role) => previewMasked(explainSources(wiring), mac, role),
    }),
    reload: () =>
      audit.changing(async () => {
        await catalog.reload();
        return { generation: catalog.current().generation, problems: catalog.problems() };
      }),
    log: wiring.logControl,
    copyDatabase: oneAtATime(() => copyToStream(join(config.paths.state, DATABASE_FILE))),
    logger: loggers.admin,
    clock: now,
  });
}

/** The running daemon's parts, as explanations and previews need them. */
function explainSources({
  config,
  catalog,
  preflight,
  networks,
  store,
  journal,
  admissions,
  once,
  leases,
  loopWatch,
  mirrors,
  now,
}: AdminWiring): ExplainSources {
  return {
    config,
    catalog: catalog.current(),
    catalogProblems: catalog.problems(),
    store,
    holders: { get: (hostname) => journal.hostnameHolder(hostname) },
    places: admissions,
    uses: once,
    // Asked for an explanation, a mirror need not be asked for its files.
    mirrorTrouble: (mirror) => mirrors.troubleOf(mirror),
    networks: networks(),
    isBootfilePresent: (file) => preflight.bootFileIndex.isPresent(file),
    leases,
    loops: loopWatch,
    now: now(),
  };
}

/** Machines whose configurations are tried; the page's finding names the rest. */
const EXAMINED = 1000;

async function examine(wiring: AdminWiring, startedAt: number): Promise<DoctorReport> {
  const { config, store, journal, now } = wiring;
  await journal.flush();
  return runDoctor({
    config,
    status: await statusOf(wiring, startedAt),
    inDaemon: true,
    machines: async () =>
      (await store.listMachines({ limit: EXAMINED, offset: 0 })).map((each) => overviewView(each)),
    admissions: () => admissionsOf(store),
    now: now(),
  });
}

/** It takes seconds of a disk and of the network: whoever asks meanwhile is told to wait. */
function alone<Result>(work: () => Promise<Result>): () => Promise<Result> {
  let underWay = false;
  return async () => {
    if (underWay)
      throw new TinderboxError('busy', 'it is being looked at already', { remedy: 'Wait some seconds.' });
    underWay = true;
    try {
      return await work();
    } finally {
      underWay = false;
    }
  };
}

/** Each takes the disk as much as the database is large. */
function oneAtATime(copy: () => ReturnType<typeof copyToStream>): () => ReturnType<typeof copyToStream> {
  let underWay = false;
  return async () => {
    if (underWay) {
      throw new TinderboxError('busy', 'another backup is being taken', { remedy: 'Wait until it is done.' });
    }
    underWay = true;
    try {
      const taken = await copy();
      return {
        ...taken,
        async [Symbol.asyncDispose]() {
          underWay = false;
          await taken[Symbol.asyncDispose]();
        },
      };
    } catch (error) {
      underWay = false;
      throw error;
    }
  };
}

async function statusOf(
  {
    config,
    catalog,
    preflight,
    interfaceStates,
    leases,
    store,
    dhcpServers,
    mirrors,
    pullThrough,
    authorities,
  }: AdminWiring,
  startedAt: number,
): Promise<DaemonStatus> {
  const { generation, file } = catalog.current();
  return {
    version: readVersion(),
    startedAt,
    pid: process.pid,
    mode: config.dhcp.mode,
    interfaces: interfaceStates(),
    catalog: { generation, file, problems: catalog.problems() },
    leases: { ...leases.counts(), ...(config.dhcp.mode === 'server' ? { pool: poolSize(config) } : {}) },
    database: { setAside: listSetAside(join(config.paths.state, DATABASE_FILE)) },
    otherDhcpServers: dhcpServers.servers(),
    mirrors: mirrors.states(),
    ...(pullThrough === undefined ? {} : { pullThrough: pullThrough.state() }),
    history: { ...(await store.measureHistory()), ...config.history },
    ...(authorities === undefined
      ? {}
      : { certificates: authorities.describe().map(({ name, notAfter }) => ({ name, notAfter })) }),
    bootFiles: preflight.bootFileIndex
      .rows()
      .map(({ architecture, path }) => ({ architecture, file: path ?? null })),
  };
}

function poolSize({ dhcp }: Config): number {
  return dhcp.subnets
    .flatMap(({ ranges }) => ranges)
    .reduce((size, { first, last }) => size + last - first + 1, 0);
}
