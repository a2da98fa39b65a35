import { answerPort4011 } from './boot/answer-port-4011.ts';
import { answerProxy } from './boot/answer-proxy.ts';
import { answerServer } from './boot/answer-server.ts';
import type { AddressView } from './boot/choose-address.ts';
import { confirmUnwritten } from './boot/confirm-unwritten.ts';
import type { DhcpAction, DhcpEnvironment, LeaseChange, ServerEnvironment } from './boot/dhcp-action.ts';
import type { NetworkClient } from './boot/identify-client.ts';
import type { CatalogView } from './catalog/port.ts';
import { collectRefusals } from './collect-refusals.ts';
import type { Config } from './config/port.ts';
import { SYSLOG_PORT } from './config/resolve.ts';
import { toTinderboxError } from './errors.ts';
import type { AddressLearning } from './learn-addresses.ts';
import type { Loggers } from './logger.ts';
import { type Ipv4, UNSPECIFIED } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import type { OnceUses } from './machine/once.ts';
import { inBatches } from './net/batch-socket.ts';
import { openOrDoWithout, openWithoutDevice } from './net/open-without-device.ts';
import type { DatagramSocket, NetworkInterface, OpenUdpSocket } from './net/port.ts';
import { serverAddressOf, serverUrlOf } from './preflight.ts';
import { messageTypeOf } from './protocol/dhcp/option-codes.ts';
import type { DhcpPacket } from './protocol/dhcp/packet.ts';
import type { ProvisioningNetworks } from './provisioning.ts';
import { dhcpFacts, rememberLoaders } from './remember-loaders.ts';
import { rememberReservations } from './remember-reservations.ts';
import { allLoaders, type BootFileIndex } from './servers/boot-file-index.ts';
import { startDhcpServer } from './servers/dhcp.ts';
import type { DhcpLoop, DhcpLoopOptions } from './servers/dhcp-loop.ts';
import type { PacketRecorder } from './servers/port.ts';
import { startPxeServer } from './servers/pxe.ts';
import { rememberArchitectures } from './servers/remember-architectures.ts';
import type { BootLoopWatch } from './servers/watch-boot-loops.ts';
import type { Journal, LeaseBook } from './store/port.ts';
import type { DhcpServerWatch } from './watch-dhcp-servers.ts';

export const DHCP_PORT = 67;
export const PXE_PORT = 4011;

/** A machine has so long to take up an offer; ROMs take seconds. In ms. */
const OFFER_TIME = 60_000;
/** Bytes: a rack that powers on at once must fit while a commit runs. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;

export interface DhcpWiring {
  readonly config: Config;
  readonly catalog: CatalogView;
  /** As they are now: asked for each packet. */
  readonly networks: () => ProvisioningNetworks;
  readonly bootFileIndex: BootFileIndex;
  readonly loopWatch: BootLoopWatch;
  readonly dhcpServers: Pick<DhcpServerWatch, 'overhear'>;
  readonly leases: LeaseBook;
  readonly once: OnceUses;
  readonly learning: AddressLearning;
  readonly journal: Journal;
  readonly recorder: PacketRecorder;
  readonly loggers: Loggers;
  readonly now: () => number;
}

export type DoWithout = Parameters<typeof openOrDoWithout>[2];

export interface DhcpSockets {
  readonly dhcp: DatagramSocket;
  readonly pxe: DatagramSocket;
  /** Else they are bound to an address of the interface. */
  readonly tiedToDevice: boolean;
}

/**
 * Ports 67 and 4011 on one interface, each bound to the device: what came in there is answered there. Nothing is
 * answered yet. Throws what `openSocket` throws, for both ports at once; then neither is open.
 */
export async function openDhcpSockets(
  networkInterface: NetworkInterface,
  openSocket: OpenUdpSocket,
  doWithout: DoWithout,
): Promise<DhcpSockets> {
  const refusals = collectRefusals();
  let tiedToDevice = true;
  const open = (port: number) => {
    const options = { port, broadcast: true, receiveBuffer: RECEIVE_BUFFER };
    return refusals.attempt(() =>
      openOrDoWithout<DatagramSocket>(
        () => openSocket({ ...options, device: networkInterface.name }),
        () => {
          tiedToDevice = false;
          return openWithoutDevice(openSocket, { ...options, address: serverAddressOf(networkInterface) });
        },
        doWithout,
      ),
    );
  };
  const dhcp = await open(DHCP_PORT);
  const pxe = await open(PXE_PORT).catch((error: unknown) => {
    dhcp?.close(() => undefined);
    throw error;
  });
  if (dhcp !== undefined && pxe !== undefined)
    // At port 67 a relay agent listens.
    return { dhcp: inBatches(dhcp, (port) => port === DHCP_PORT), pxe: inBatches(pxe), tiedToDevice };
  dhcp?.close(() => undefined);
  pxe?.close(() => undefined);
  refusals.throwIfAny();
  throw new Error('a socket was neither opened nor refused');
}

/**
 * Begins to answer on both; the loops close the sockets when they stop. Without an address of the interface they are
 * silent; with another one they answer by that.
 */
export function startDhcpOn(via: string, sockets: DhcpSockets, wiring: DhcpWiring): readonly DhcpLoop[] {
  const { config, journal, recorder, loggers, now } = wiring;
  const placeNow = rememberPlace(via, wiring);
  const serverAddress = () => placeNow()?.serverAddress ?? UNSPECIFIED;
  const common = { via, serverAddress, journal, recorder, now };
  const { decide67, decide4011 } = makeDecisions(via, placeNow, wiring);
  const changeLease = makeLeaseChanger(via, wiring);
  const dhcp = startDhcpServer({
    ...common,
    socket: sockets.dhcp,
    decide: decide67,
    changeLease,
    overhear: (packet) => wiring.dhcpServers.overhear(packet, via),
    logger: loggers.dhcp,
  });
  const pxe = startPxeServer({ ...common, socket: sockets.pxe, decide: decide4011, logger: loggers.pxe });
  loggers.dhcp.info({ interface: via, mode: config.dhcp.mode }, `DHCP (${config.dhcp.mode}) on ${via}`);
  return [dhcp, pxe];
}

/** What machines on an interface are told of us. */
export interface Place {
  readonly serverAddress: Ipv4;
  readonly serverUrl: string;
  readonly interfaceAddresses: ServerEnvironment['interfaceAddresses'];
}

/** Undefined while the interface has no address. */
export function placeOn(via: string, config: Config, networks: ProvisioningNetworks): Place | undefined {
  const found = networks.interfaces.find(({ name }) => name === via);
  if (found === undefined) return undefined;
  return {
    serverAddress: serverAddressOf(found),
    serverUrl: serverUrlOf(config, found),
    interfaceAddresses: found.addresses.map((one) => ({
      address: one.address,
      url: serverUrlOf(config, { ...found, addresses: [one] }),
    })),
  };
}

/** Worked out once for each change of the networks. */
function rememberPlace(via: string, { config, networks }: DhcpWiring): () => Place | undefined {
  const read = (now: ProvisioningNetworks) => placeOn(via, config, now);
  let known = { of: networks(), place: read(networks()) };
  return () => {
    const now = networks();
    if (now !== known.of) known = { of: now, place: read(now) };
    return known.place;
  };
}

const NO_ADDRESS: DhcpAction = {
  kind: 'silent',
  outcome: 'ignored',
  reasons: ['the interface has no address at the moment'],
};

function makeDecisions(via: string, placeNow: () => Place | undefined, wiring: DhcpWiring) {
  const { config, catalog, bootFileIndex, loopWatch, leases, learning, networks } = wiring;
  const loaders = allLoaders(config.loaders);
  const { mode, knownOnly, uefiProxy } = config.dhcp;
  const reservedIn = rememberReservations();
  // Of this interface alone: another machine may have the same address elsewhere.
  const architectures = rememberArchitectures();

  const loadersOf = rememberLoaders();
  const leaseOf: AddressView['leaseOf'] = (mac, isWanted) => leases.leaseOf(mac, isWanted);
  const offerOf: AddressView['offerOf'] = (mac, isWanted) => leases.offerOf(mac, isWanted);
  const holderOf: AddressView['holderOf'] = (address) => leases.holderOf(address);

  const environment = (
    place: Place,
    { giaddr }: DhcpPacket,
    client: NetworkClient,
    now: number,
  ): DhcpEnvironment => ({
    serverAddress: place.serverAddress,
    serverUrl: place.serverUrl,
    uefiProxy,
    syslog: config.syslog.port === SYSLOG_PORT,
    loaders,
    roleLoaders: () =>
      loadersOf(dhcpFacts(client, giaddr, place.serverAddress), catalog.current(), wiring.once),
    isBootfilePresent: (file) => bootFileIndex.isPresent(file),
    loop: loopWatch.look(client, now),
    now,
  });
  const serverEnvironment = (
    place: Place,
    packet: DhcpPacket,
    client: NetworkClient,
    now: number,
  ): ServerEnvironment => {
    const { subnets, ownAddresses } = networks();
    const current = catalog.current();
    const reserved = reservedIn(current);
    return {
      ...environment(place, packet, client, now),
      via,
      interfaceAddresses: place.interfaceAddresses,
      catalog: current,
      knownOnly,
      subnets,
      view: {
        leaseOf,
        offerOf,
        holderOf,
        freeAddress: (ranges, isExcluded, at, preferred) =>
          leases.freeAddress(
            ranges,
            (address) => isExcluded(address) || learning.isAvoided(address, client.mac),
            at,
            learning.claimOf(client.mac) ?? preferred,
          ),
      },
      isLearning: !learning.isOver(),
      isExcluded: (address) => ownAddresses.has(address) || reserved.has(address),
    };
  };
  type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
  let asking: Mac | undefined;
  let ordinary:
    | { readonly of: readonly unknown[]; readonly environment: Mutable<ServerEnvironment> }
    | undefined;
  /**
   * Of a machine that does not boot from the network, which is most packets of a rack: one for all of them, since a decision
   * waits for nothing. What depends on the machine is asked for `asking`.
   */
  const ordinaryEnvironment: typeof serverEnvironment = (place, packet, client, now) => {
    asking = client.mac;
    const of = [place, networks(), catalog.current()];
    if (ordinary === undefined || of.some((one, index) => one !== ordinary?.of[index])) {
      const { roleLoaders: _, ...common } = serverEnvironment(place, packet, client, now);
      const { isExcluded } = common;
      const isTaken = (address: Ipv4) =>
        isExcluded(address) || learning.isAvoided(address, asking ?? client.mac);
      const freeAddress: AddressView['freeAddress'] = (ranges, _isExcluded, at, preferred) =>
        leases.freeAddress(ranges, isTaken, at, learning.claimOf(asking ?? client.mac) ?? preferred);
      ordinary = { of, environment: { ...common, view: { ...common.view, freeAddress } } };
    }
    const shared = ordinary.environment;
    shared.now = now;
    shared.isLearning = !learning.isOver();
    return shared;
  };
  const decide67: DhcpLoopOptions['decide'] = (packet, client, now) => {
    architectures.notice(client, messageTypeOf(packet), now);
    const place = placeNow();
    if (place === undefined) return NO_ADDRESS;
    const environmentOf = client.kind === 'ordinary' ? ordinaryEnvironment : serverEnvironment;
    return mode === 'server'
      ? learning.settle(client.mac, () =>
          answerServer(packet, client, environmentOf(place, packet, client, now)),
        )
      : answerProxy(packet, client, environment(place, packet, client, now));
  };
  const decide4011: DhcpLoopOptions['decide'] = (packet, client, now) => {
    const discoveredAs = architectures.recall(client.mac, now);
    const place = placeNow();
    if (place === undefined) return NO_ADDRESS;
    return answerPort4011(packet, client, { ...environment(place, packet, client, now), discoveredAs });
  };
  return { decide67, decide4011 };
}

function makeLeaseChanger(
  via: string,
  { leases, config, catalog, loggers }: DhcpWiring,
): DhcpLoopOptions['changeLease'] {
  type Bind = Extract<LeaseChange, { kind: 'bind' }>;
  const unlessConfirmed = (error: unknown, mac: Mac, change: Bind, now: number) => {
    if (toTinderboxError(error).code === 'in-use') throw error;
    const seconds = confirmUnwritten({
      ...change,
      lease: leases.leaseOf(mac, (address) => address === change.address),
      reservation: catalog.current().machines.get(mac)?.address,
      now,
    });
    if (seconds === undefined) throw error;
    return { unwritten: error, seconds };
  };
  const bind = (mac: Mac, change: Bind, now: number) => {
    const expiresAt = now + change.leaseTime * 1000;
    const hostname = catalog.current().machines.get(mac)?.hostname;
    const lease = { address: change.address, mac, state: 'bound', expiresAt, via } as const;
    return leases.bind(hostname === undefined ? lease : { ...lease, hostname }).then(
      () => undefined,
      (error: unknown) => unlessConfirmed(error, mac, change, now),
    );
  };
  return ({ mac }, change, now) => {
    switch (change.kind) {
      case 'offer':
        leases.offer(change.address, mac, now + OFFER_TIME);
        return undefined;
      case 'bind':
        return bind(mac, change, now);
      case 'release':
        return leases.release(mac, change.address).then(() => undefined);
      case 'decline':
        loggers.dhcp.warn({ mac, interface: via }, 'a machine declined its address: somebody else uses it');
        return leases
          .decline(change.address, mac, now + config.dhcp.declineTime * 1000)
          .then(() => undefined);
    }
  };
}
