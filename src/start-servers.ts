import type { SessionTokens } from './boot/session-token.ts';
import type { CatalogHolder } from './catalog/catalog-holder.ts';
import { collectRefusals } from './collect-refusals.ts';
import type { Config } from './config/port.ts';
import type { AddressLearning } from './learn-addresses.ts';
import type { Loggers } from './logger.ts';
import { openOrDoWithout } from './net/open-without-device.ts';
import type { Doors, NetworkInterface, OpenUdpSocket } from './net/port.ts';
import type { Authorities } from './pki/port.ts';
import type { Preflight } from './preflight.ts';
import { startTftpServer } from './servers/tftp.ts';
import type { BootLoopWatch } from './servers/watch-boot-loops.ts';
import type { AdmissionBook, Journal, LeaseBook, Store } from './store/port.ts';
import { startAdminOn } from './wire-admin.ts';
import type { ClusterWatch } from './wire-cluster.ts';
import { type DhcpSockets, type DoWithout, openDhcpSockets, startDhcpOn } from './wire-dhcp.ts';
import { startHttpOn } from './wire-http.ts';

export interface DaemonParts {
  readonly config: Config;
  readonly preflight: Preflight;
  readonly catalog: CatalogHolder;
  readonly store: Store;
  readonly journal: Journal;
  readonly admissions: AdmissionBook;
  /** Undefined: tinderbox.yaml has no `cluster:`. */
  readonly authorities: Authorities | undefined;
  /** What the API server says of Nodes; undefined as authorities are. */
  readonly cluster: ClusterWatch | undefined;
  readonly leases: LeaseBook;
  readonly learning: AddressLearning;
  readonly sessionTokens: SessionTokens;
  readonly loopWatch: BootLoopWatch;
  readonly doors: Doors;
  readonly loggers: Loggers;
  readonly now: () => number;
}

/** How long running transfers may go on after a stop was asked for. In ms; below systemd's 90 s by far. */
const STOP_GRACE = 5000;

/**
 * HTTP, TFTP, the admin plane and DHCP, on every provisioning interface. Every door is opened before anybody is sent
 * to one; those that other programs hold are said all at once, and then none stays open.
 */
export async function startServers(parts: DaemonParts): Promise<AsyncDisposable> {
  const { config, preflight, doors, loggers } = parts;
  const { interfaces, subnets, bootFiles, bootFileIndex } = preflight;
  await using stack = new AsyncDisposableStack();
  // What has running transfers stops together, so that their times of grace don't add up.
  const stops: (() => Promise<void>)[] = [];
  stack.defer(async () => void (await Promise.all(stops.map((stop) => stop()))));
  const doWithout = makeDoWithout(interfaces, loggers);
  const refusals = collectRefusals();

  const http = await refusals.attempt(() => startHttpOn({ ...parts, interfaces, subnets, bootFiles }));
  if (http !== undefined) stops.push(() => http.stop({ graceMs: STOP_GRACE }));
  for (const networkInterface of interfaces) {
    const tftp = await refusals.attempt(() => startTftpOn(networkInterface, parts, doWithout));
    if (tftp !== undefined) stops.push(() => tftp.stop({ graceMs: STOP_GRACE }));
  }
  const admin = await refusals.attempt(() => startAdminOn(parts));
  if (admin !== undefined) stops.push(() => admin.stop({ graceMs: STOP_GRACE }));

  const opened: (readonly [NetworkInterface, DhcpSockets])[] = [];
  // Sockets on which nothing answers yet have nobody else who closes them.
  await using unanswered = new AsyncDisposableStack();
  for (const networkInterface of config.dhcp.mode === 'off' ? [] : interfaces) {
    const sockets = await refusals.attempt(() => openDhcpSockets(networkInterface, doors.openUdp, doWithout));
    if (sockets === undefined) continue;
    opened.push([networkInterface, sockets]);
    for (const socket of [sockets.dhcp, sockets.pxe])
      unanswered.defer(() => void socket.close(() => undefined));
  }
  refusals.throwIfAny();

  const ownAddresses = new Set(
    interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => address)),
  );
  for (const [networkInterface, sockets] of opened) {
    const loops = startDhcpOn(networkInterface, sockets, { ...parts, subnets, ownAddresses, bootFileIndex });
    stops.push(...loops.map((loop) => () => loop.stop()));
  }
  unanswered.move();
  return stack.move();
}

function startTftpOn(networkInterface: NetworkInterface, parts: DaemonParts, doWithout: DoWithout) {
  const { config, preflight, journal, doors, loggers, now } = parts;
  const { name, mtu, addresses } = networkInterface;
  // Each of its sockets is bound to an address of the interface, so that it can do without the device.
  const openSocket: OpenUdpSocket = (options) => {
    const { device: _device, ...anywhere } = options;
    return openOrDoWithout(
      () => doors.openUdp(options),
      () => doors.openUdp(anywhere),
      doWithout,
    );
  };
  return startTftpServer({
    addresses: addresses.map(({ address }) => address),
    device: name,
    port: config.tftp.port,
    mtu,
    maxTransfers: config.tftp.maxTransfers,
    openSocket,
    lookup: preflight.bootFiles.lookup,
    logger: loggers.tftp,
    journal,
    via: name,
    clock: { now },
  });
}

/** Said once, however many sockets it is true of. */
function makeDoWithout(interfaces: readonly NetworkInterface[], { net }: Loggers): DoWithout {
  let said = false;
  return {
    alone: interfaces.length === 1,
    say(reason) {
      if (!said)
        net.warn(
          `${reason}; DHCP listens on every interface: keep other networks from reaching ports 67 and 4011`,
        );
      said = true;
    },
  };
}
