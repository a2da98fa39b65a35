import { join } from 'node:path';
import { type AuditTrail, createAuditTrail } from './audit-trail.ts';
import { filesOfRoles } from './boot/choose-loaders.ts';
import { createSessionTokens } from './boot/session-token.ts';
import { inOneNetwork } from './boot/subnet.ts';
import { type CatalogHolder, openCatalog } from './catalog/catalog-holder.ts';
import { closeStateFolder } from './close-to-others.ts';
import type { Config } from './config/port.ts';
import { describeCatalogChange } from './describe-catalog-change.ts';
import { describeStatus } from './describe-status.ts';
import { formatProblem, type TinderboxError } from './errors.ts';
import { createBootPlaces } from './http/boot-places.ts';
import type { BootPlaces } from './http/port.ts';
import { createAddressLearning, learningTime } from './learn-addresses.ts';
import { createLogControl } from './log-control.ts';
import type { Loggers } from './logger.ts';
import type { Ipv4 } from './machine/ipv4.ts';
import { type Mac, parseMac } from './machine/mac.ts';
import type { Catalog } from './machine/role.ts';
import { pkiFolder } from './manage-authorities.ts';
import { OWN_DOORS } from './net/own-doors.ts';
import type { Doors } from './net/port.ts';
import { createAddressProbe } from './net/probe-address.ts';
import { noticeConfigChanges } from './notice-config-changes.ts';
import { openOnceBook } from './open-once-book.ts';
import { openAuthorities } from './pki/open-authorities.ts';
import type { Authorities } from './pki/port.ts';
import { catalogCheck, runPreflight } from './preflight.ts';
import { checkRoleAssets } from './preflight-assets.ts';
import { tryRoles } from './preflight-roles.ts';
import { DATABASE_FILE } from './preflight-state.ts';
import { createProvisioning, type Provisioning } from './provisioning.ts';
import { rememberReservations } from './remember-reservations.ts';
import { checkRoleTemplates } from './render/check-templates.ts';
import { refuseIfBroken, sayBootFiles, sayWaiting } from './say-at-start.ts';
import { servedBefore } from './served-before.ts';
import { createConsoleMemory } from './servers/console-memory.ts';
import { watchBootLoops } from './servers/watch-boot-loops.ts';
import { hasSessionKey, loadSessionKey } from './session-key.ts';
import { startServers } from './start-servers.ts';
import { createAdmissionBook } from './store/admission-book.ts';
import { createJournal } from './store/journal.ts';
import { keepHistoryTidy } from './store/keep-history-tidy.ts';
import { createLeaseBook } from './store/lease-book.ts';
import type { OnceBook } from './store/port.ts';
import { type OpenedStore, openStore } from './store/sqlite-store.ts';
import { watchDhcpServers } from './watch-dhcp-servers.ts';
import { watchMirrors } from './watch-mirrors.ts';
import { startClusterOn } from './wire-cluster.ts';
import { watcherCredentials } from './wire-credentials.ts';
import { createDaemonMetrics, type DaemonMetrics } from './wire-metrics.ts';
import { openPullThroughOf } from './wire-pull-through.ts';
import { startRecorder } from './wire-recorder.ts';
import { watchStallsOn } from './wire-stalls.ts';

export interface DaemonOptions {
  readonly config: Config;
  readonly loggers: Loggers;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Milliseconds that never jump, as `now` may. */
  readonly uptime?: () => number;
  /** By default everything is opened here. */
  readonly doors?: Doors;
}

export interface Daemon {
  /** Resolves when what must answer has: the database's thread. Rejects with its error. */
  probe(): Promise<void>;
  /** One line for people: what is served, and how many machines boot. */
  status(): string;
  /** Reads profiles/ again, and warns of changes of tinderbox.yaml, which take effect at the next start only. */
  reload(): Promise<void>;
  /** Resolves if it cannot go on, with why: it should be stopped, and its next start mends what it can. */
  readonly failed: Promise<TinderboxError>;
  /** Stops accepting, lets transfers finish for a few seconds, writes what is not yet written. */
  stop(): Promise<void>;
}

const NO_MACHINE = '00:00:00:00:00:00' as Mac;

/** How often loaders that came or went are noticed. In ms. */
const BOOT_FILE_INTERVAL = 5000;

/**
 * The composition root: builds every part, starts them in order, stops them in reverse. If one fails to start, those
 * before it are stopped and nothing is left behind; what is wrong is thrown, everything at once where it can be.
 */
export async function startDaemon({
  config,
  loggers,
  now = Date.now,
  uptime = () => performance.now(),
  doors = OWN_DOORS,
}: DaemonOptions): Promise<Daemon> {
  await using stack = new AsyncDisposableStack();
  const preflight = await runPreflight(config);
  refuseIfBroken(preflight, loggers);
  sayWaiting(preflight.waiting, loggers);
  const { bootFileIndex } = preflight;
  const provisioning = createProvisioning(config, preflight.host);
  sayBootFiles(bootFileIndex, loggers);
  await closeStateFolder(config.paths.state, loggers.daemon);

  let audit: AuditTrail | undefined;
  let once: OnceBook | undefined;
  const catalog = await openCheckedCatalog(config, provisioning, loggers, (after, before) => {
    once?.follow(after);
    bootFileIndex.nameFiles(filesOfRoles(after));
    void bootFileIndex.refresh();
    if (audit === undefined || audit.isChanging()) return;
    const actor = { name: 'tinderbox', via: 'daemon' } as const;
    const detail = describeCatalogChange(before, after);
    audit.record({ at: now(), actor, action: 'catalog.changed', outcome: 'done', detail });
  });
  stack.defer(() => catalog.close());
  const failed = Promise.withResolvers<TinderboxError>();
  const metrics = createDaemonMetrics(catalog);
  const store = await openStore({
    file: join(config.paths.state, DATABASE_FILE),
    durability: config.dhcp.leaseDurability,
    openedAt: now(),
    limits: { age: config.history.keep * 1000, bytes: config.history.maxSize },
    logger: loggers.store,
    onFailure: failed.resolve,
    onCall: metrics.databaseCall,
  });
  stack.defer(() => store.close());
  const lostDatabase = await isLost(config, store.opening);
  if (lostDatabase) sayLostDatabase(config, store.opening, loggers);
  stack.use(keepHistoryTidy({ store, now, logger: loggers.store }));
  audit = stack.use(createAuditTrail({ store, logger: loggers.admin }));
  const state = await store.load();
  const loopWatch = watchBootLoops();
  const logControl = stack.use(createLogControl(loggers, now));
  const queue = openQueue(config, metrics, uptime);
  const journal = createJournal({
    store,
    state,
    clock: now,
    uptime,
    idleTime: config.http.sessionTime * 1000,
    observed(observation) {
      loopWatch.notice(observation);
      logControl.notice(observation);
      metrics.observe(observation);
      queue?.notice(observation);
    },
    advanced(turn) {
      metrics.advance(turn);
      if (turn.ended !== undefined) once?.ended(turn.ended);
    },
    isListed: (mac) => catalog.current().machines.has(mac),
    logger: loggers.store,
  });
  stack.defer(() => journal.close());
  const recorder = startRecorder({ journal, catalog, logger: loggers.store, now, uptime });
  const admissions = createAdmissionBook({ store, admissions: state.admissions, clock: now });
  once = await openOnceBook({
    store,
    stored: state.onceUses,
    catalog,
    journal,
    isUnknown: lostDatabase || store.opening.isOnceUnknown === true,
    logger: loggers.store,
    now,
  });
  const isSameNetwork = (a: Ipv4, b: Ipv4) => inOneNetwork(provisioning.networks().subnets)(a, b);
  const leases = createLeaseBook({
    store,
    leases: state.leases,
    clock: now,
    uptime,
    isSameNetwork,
    longest:
      1000 * Math.max(config.dhcp.declineTime, ...config.dhcp.subnets.map(({ leaseTime }) => leaseTime)),
    clockJumped: (step) =>
      loggers.daemon.warn(
        { seconds: Math.round(step / 1000) },
        'the clock of this host was set: leases and boot sessions keep the time that they had left',
      ),
  });
  const reservedIn = rememberReservations();
  const learning = createAddressLearning({
    probe: createAddressProbe(),
    // A reservation is the operator's word. Who uses it besides is found by the machine itself, which declines it then.
    isKnown: (address) => leases.isKnown(address) || reservedIn(catalog.current()).has(address),
    time: learningTime(config.dhcp, store.opening.incompleteSince, now()),
    uptime,
  });
  const authorities = await openAuthoritiesOf(config, loggers, now);
  const sessionTokens = createSessionTokens(await loadSessionKey(config.paths.state, loggers.daemon), (id) =>
    journal.sessionById(id),
  );

  const cluster =
    authorities === undefined
      ? undefined
      : startClusterOn({
          config,
          journal,
          logger: loggers.cluster,
          now,
          async credentials() {
            const credentials = await watcherCredentials(authorities);
            metrics.noteCertificate('api-server-client', credentials.notAfter);
            return credentials;
          },
        });
  if (cluster !== undefined) stack.use(cluster);

  const bootFileTimer = setInterval(() => void bootFileIndex.refresh(), BOOT_FILE_INTERVAL);
  stack.defer(() => clearInterval(bootFileTimer));

  const dhcpServers = stack.use(
    watchDhcpServers({
      config,
      servedBefore: servedBefore(state.leases, provisioning.networks(), lostDatabase, now()),
      ownAddresses: () => provisioning.networks().ownAddresses,
      macOf: (via) => parseMac(provisioning.host().find(({ name }) => name === via)?.mac ?? ''),
      logger: loggers.dhcp,
      now,
    }),
  );

  const mirrors = stack.use(
    watchMirrors({
      mirrors: config.assets.mirrors,
      assets: config.paths.assets,
      count: (name) => journal.count(name),
      logger: loggers.http,
      now,
    }),
  );

  const pullThrough = await openPullThroughOf(config, {
    count: (name) => journal.count(name),
    logger: loggers.http,
    now,
  });
  if (pullThrough !== undefined) stack.use(pullThrough);

  const parts = {
    config,
    preflight,
    provisioning,
    catalog,
    store,
    audit,
    journal,
    recorder,
    metrics,
    sessions: () => journal.sessions(),
    admissions,
    once,
    leases,
    learning,
    sessionTokens,
    authorities,
    cluster,
    loopWatch,
    dhcpServers,
    mirrors,
    pullThrough,
    queue,
    consoles: createConsoleMemory(),
    doors,
    logControl,
    loggers,
    now,
  };
  const stalls = stack.use(watchStallsOn({ ...parts, uptime }));
  stack.use(await startServers(parts));
  dhcpServers.start();
  mirrors.start();
  stalls.start();

  const started = stack.move();
  const { mode } = config.dhcp;
  const served = provisioning.networks().interfaces.map(({ name }) => name);
  loggers.daemon.info({ interfaces: served, mode, config: config.file }, 'ready');
  const configNotice = noticeConfigChanges(config, loggers.daemon);
  return {
    failed: failed.promise,
    // Any question that is short: the thread must take it up, and the database must be readable.
    probe: async () => void (await store.findMachine(NO_MACHINE)),
    status() {
      const present = provisioning.networks().interfaces.map(({ name }) => name);
      return describeStatus({
        mode,
        interfaces: config.network.interfaces,
        missing: config.network.interfaces.filter((name) => !present.includes(name)),
        sessions: journal.sessions(),
        now: now(),
      });
    },
    async reload() {
      await Promise.all([catalog.reload(), configNotice.look()]);
    },
    stop: () => started.disposeAsync(),
  };
}

function openQueue(
  { http: { queue } }: Config,
  metrics: DaemonMetrics,
  uptime: () => number,
): BootPlaces | undefined {
  if (queue === undefined) return undefined;
  return createBootPlaces({ ...queue, uptime, admitted: (waited) => metrics.noteQueued(waited) });
}

/** At the first start there is no session key either. */
async function isLost(config: Config, { created }: OpenedStore['opening']): Promise<boolean> {
  return created && (await hasSessionKey(config.paths.state));
}

/** Of a damaged one the store says more. */
function sayLostDatabase(config: Config, { damaged }: OpenedStore['opening'], loggers: Loggers): void {
  if (damaged !== undefined) return;
  loggers.store.error(
    `the database is gone, although Tinderbox ran here before: history begins anew in ${join(config.paths.state, DATABASE_FILE)}; leases are learned again as machines renew them. If there is a backup: tinderbox restore`,
  );
}

/** Made at the first start with a `cluster:`; without one nothing is made. */
function openAuthoritiesOf(
  config: Config,
  loggers: Loggers,
  clock: () => number,
): Promise<Authorities | undefined> {
  if (config.cluster === undefined) return Promise.resolve(undefined);
  return openAuthorities({ folder: pkiFolder(config), clock, logger: loggers.pki });
}

/** Follows profiles/. An edit that the daemon could not start with again is broken, and never takes effect. */
function openCheckedCatalog(
  config: Config,
  provisioning: Provisioning,
  loggers: Loggers,
  onSwap: (after: Catalog, before: Catalog) => void,
): Promise<CatalogHolder> {
  return openCatalog({
    dir: config.paths.profiles,
    logger: loggers.catalog,
    checkRole: checkRoleTemplates,
    checkCatalog: (catalog) => catalogCheck(config, provisioning.networks().interfaces)(catalog),
    onSwap(catalog, previous) {
      onSwap(catalog, previous);
      void sayMissingAssets(config, catalog, loggers);
    },
  });
}

/** An asset may be on its way while the profiles are edited: said, but no reason to keep the old catalog. */
async function sayMissingAssets(config: Config, catalog: Catalog, loggers: Loggers): Promise<void> {
  const { rendered } = tryRoles(config, catalog);
  for (const problem of await checkRoleAssets(config, rendered)) loggers.catalog.warn(formatProblem(problem));
}
