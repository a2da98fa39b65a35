import type { AuditTrail } from './audit-trail.ts';
import type { SessionTokens } from './boot/session-token.ts';
import type { CatalogHolder } from './catalog/catalog-holder.ts';
import { collectRefusals } from './collect-refusals.ts';
import type { Config } from './config/port.ts';
import {
  keepDhcpDoors,
  keepHttpDoors,
  keepSyslogDoors,
  keepTftpDoors,
  STOP_GRACE,
} from './doors-of-interface.ts';
import type { TinderboxError } from './errors.ts';
import { createTftpLookup } from './find-tftp-file.ts';
import { followInterfaces } from './follow-interfaces.ts';
import type { BootPlaces, HttpServer } from './http/port.ts';
import type { KeptPullThrough } from './images/pull-through.ts';
import type { KeptDoors } from './keep-doors.ts';
import type { AddressLearning } from './learn-addresses.ts';
import type { LogControl } from './log-control.ts';
import type { Loggers } from './logger.ts';
import type { BootSession } from './machine/session.ts';
import { readInterfaces } from './net/interfaces.ts';
import { openUdpDescriptor } from './net/open-udp-socket.ts';
import type { Doors } from './net/port.ts';
import type { Authorities } from './pki/port.ts';
import type { Preflight } from './preflight.ts';
import type { Provisioning } from './provisioning.ts';
import type { ConsoleMemory } from './servers/console-memory.ts';
import type { TftpThreadAccess } from './servers/tftp-types.ts';
import type { BootLoopWatch } from './servers/watch-boot-loops.ts';
import { startTftpThread } from './start-tftp-thread.ts';
import type { FlightRecorder } from './store/flight-recorder.ts';
import type { AdmissionBook, Journal, LeaseBook, OnceBook, Store } from './store/port.ts';
import type { DhcpServerWatch } from './watch-dhcp-servers.ts';
import type { MirrorWatch } from './watch-mirrors.ts';
import { startAdminOn } from './wire-admin.ts';
import type { ClusterWatch } from './wire-cluster.ts';
import type { DoWithout } from './wire-dhcp.ts';
import { startHttpOn } from './wire-http.ts';
import type { DaemonMetrics } from './wire-metrics.ts';

export interface DaemonParts {
  readonly config: Config;
  readonly preflight: Preflight;
  readonly provisioning: Provisioning;
  readonly catalog: CatalogHolder;
  readonly store: Store;
  readonly audit: AuditTrail;
  readonly journal: Journal;
  readonly recorder: FlightRecorder;
  readonly metrics: DaemonMetrics;
  /** The newest boot session of each machine. */
  readonly sessions: () => Iterable<BootSession>;
  readonly admissions: AdmissionBook;
  readonly once: OnceBook;
  /** Undefined: tinderbox.yaml has no `cluster:`. */
  readonly authorities: Authorities | undefined;
  /** What the API server says of Nodes; undefined as authorities are. */
  readonly cluster: ClusterWatch | undefined;
  readonly leases: LeaseBook;
  readonly learning: AddressLearning;
  readonly sessionTokens: SessionTokens;
  readonly loopWatch: BootLoopWatch;
  readonly dhcpServers: DhcpServerWatch;
  readonly mirrors: MirrorWatch;
  /** Undefined: tinderbox.yaml has no assets.pullThrough. */
  readonly pullThrough: KeptPullThrough | undefined;
  /** Who loads a boot's files, and who waits for that; undefined: nobody waits. */
  readonly queue: BootPlaces | undefined;
  /** What machines print, as long as this process lives. */
  readonly consoles: ConsoleMemory;
  readonly doors: Doors;
  readonly logControl: LogControl;
  readonly loggers: Loggers;
  readonly now: () => number;
}

/**
 * HTTP, TFTP, the admin plane and DHCP, on every provisioning interface. Every door is opened before anybody is sent
 * to one; those that other programs hold are said all at once, and then none stays open. From then on the doors follow
 * their interfaces.
 */
export async function startServers(parts: DaemonParts): Promise<AsyncDisposable> {
  const { config, preflight, provisioning, loggers, now } = parts;
  const { bootFiles, bootFileIndex } = preflight;
  const networks = () => provisioning.networks();
  await using stack = new AsyncDisposableStack();
  const { journal } = parts;
  const tftpThread = startTftpThread({
    openDescriptor: openUdpDescriptor,
    logger: loggers.tftp,
    onIgnored: (times) => journal.count('tftp.ignored', times),
    onSendFailed: (times) => journal.count('tftp.send-failed', times),
  });
  // After the doors, whose transfers it carries.
  stack.defer(() => tftpThread?.thread.stop());
  // What has running transfers stops together, so that their times of grace don't add up.
  const stops: (() => Promise<void>)[] = [];
  stack.defer(async () => void (await Promise.all(stops.map((stop) => stop()))));
  const refusals = collectRefusals();

  const http = await startHttpOn({ ...parts, networks, bootFiles });
  stops.push(() => http.stop({ graceMs: STOP_GRACE }));
  const gate = makeGate();
  const wiring = { ...parts, networks, bootFileIndex };
  const followed = config.network.interfaces.map((name) => {
    const { files, dhcp, syslog } = doorsOf(name, parts, http, tftpThread, wiring, gate.whenOpen);
    const refused: TinderboxError[] = [];
    const open = async (doors: KeptDoors): Promise<void> => {
      stops.push(() => doors.stop());
      const interfaceNow = provisioning.host().find((one) => one.name === name);
      for (const error of await doors.follow(interfaceNow)) {
        // It went while the daemon started.
        if (error.code === 'not-found') refused.push(error);
        else await refusals.attempt(() => Promise.reject(error));
      }
    };
    // Nobody's boot needs it: what is wrong with it is said, and tried again.
    const openSyslog = async (): Promise<void> => {
      for (const doors of syslog) {
        stops.push(() => doors.stop());
        for (const error of await doors.follow(provisioning.host().find((one) => one.name === name))) {
          refused.push(error);
          loggers.net.warn(`${error.message}${error.remedy === undefined ? '' : `\n    ${error.remedy}`}`);
        }
      }
    };
    return { name, files, dhcp, doors: [...files, ...dhcp, ...syslog], refused, open, openSyslog };
  });
  for (const { files, open } of followed) for (const doors of files) await open(doors);
  let follower: ReturnType<typeof followInterfaces> | undefined;
  const interfaceStates = () => follower?.states() ?? [];
  const admin = await refusals.attempt(() =>
    startAdminOn({ ...parts, networks, host: () => provisioning.host(), interfaceStates }),
  );
  if (admin !== undefined) stops.push(() => admin.stop({ graceMs: STOP_GRACE }));
  for (const { dhcp, open } of followed) for (const doors of dhcp) await open(doors);
  refusals.throwIfAny();
  for (const { openSyslog } of followed) await openSyslog();
  await parts.dhcpServers.lookFirst();

  gate.open();
  follower = followInterfaces({
    config,
    provisioning,
    followed,
    read: readInterfaces,
    logger: loggers.net,
    now,
  });
  const following = follower;
  stack.defer(() => following.stop());
  return stack.move();
}

/** The doors of one interface, still closed. */
function doorsOf(
  name: string,
  { config, preflight, provisioning, journal, recorder, consoles, doors, loggers, now }: DaemonParts,
  http: HttpServer,
  tftpThread: TftpThreadAccess | undefined,
  wiring: Parameters<typeof keepDhcpDoors>[0]['wiring'],
  whenOpen: Parameters<typeof keepDhcpDoors>[0]['whenOpen'],
) {
  const doWithout = makeDoWithout(config, loggers);
  const httpDoors = keepHttpDoors(name, http, doors);
  const tftpDoors = keepTftpDoors({
    name,
    doors,
    doWithout,
    networks: () => provisioning.networks(),
    thread: tftpThread,
    port: config.tftp.port,
    maxTransfers: config.tftp.maxTransfers,
    lookup: createTftpLookup({ bootFiles: preflight.bootFiles, http, assets: config.paths.assets }),
    logger: loggers.tftp,
    journal,
    recorder,
    clock: { now },
  });
  const dhcp =
    config.dhcp.mode === 'off' ? [] : [keepDhcpDoors({ name, doors, doWithout, wiring, whenOpen })];
  const { port } = config.syslog;
  const syslog =
    port === undefined
      ? []
      : [
          keepSyslogDoors({
            name,
            port,
            doors,
            doWithout,
            networks: () => provisioning.networks(),
            journal,
            recorder,
            memory: consoles,
            logger: loggers.net,
            now,
          }),
        ];
  return { files: [httpDoors, tftpDoors], dhcp, syslog };
}

/** What is to happen once it is open: from then on at once. */
function makeGate() {
  let waiting: (() => void)[] | undefined = [];
  return {
    whenOpen: (act: () => void): void => {
      if (waiting === undefined) act();
      else waiting.push(act);
    },
    open: (): void => {
      for (const act of waiting ?? []) act();
      waiting = undefined;
    },
  };
}

/** Said once, however many sockets it is true of: it is for one interface only. */
function makeDoWithout({ network }: Config, { net }: Loggers): DoWithout {
  let said = false;
  return {
    alone: network.interfaces.length === 1,
    say(reason) {
      if (!said)
        net.warn(
          `${reason}; DHCP listens on every interface: keep other networks from reaching ports 67 and 4011`,
        );
      said = true;
    },
  };
}
