import type { Socket } from 'node:dgram';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type DhcpProbe,
  encodeBootProbe,
  encodeProbe,
  type FoundBootServer,
  type FoundDhcpServer,
  readBootProbeReply,
  readProbeReply,
} from '../boot/dhcp-probe.ts';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import { formatIpv4, type Ipv4, UNSPECIFIED } from '../machine/ipv4.ts';
import { readArpTable } from './arp.ts';
import { loadLibc } from './libc.ts';
import { adoptUdpDescriptor } from './open-udp-socket.ts';

export interface FindDhcpServersOptions {
  /** The interface's name. */
  readonly device: string;
  readonly probe: DhcpProbe;
  /** How long offers are waited for, in ms. dnsmasq first pings what it is about to offer, for three seconds. */
  readonly wait: number;
  /** Ends the wait early; what was found until then is returned. */
  readonly signal?: AbortSignal;
  /** Whether this one is enough: then nothing more is waited for. */
  readonly isEnough?: (found: FoundDhcpServer) => boolean;
}

/** What is sent, and what an answer to it says. */
interface Probing<Found> {
  readonly packet: Uint8Array;
  readonly read: (bytes: Uint8Array, probe: DhcpProbe) => Found | undefined;
  readonly isEnough?: ((found: Found) => boolean) | undefined;
}

const SERVER_PORT = 67;
const CLIENT_PORT = 68;
const DISCARD_PORT = 9;
/** Sent so often within the wait: a packet may be lost, and a switch port may just have come up. */
const TRIES = 2;
/** More servers in one network than anybody can have by accident. */
const MOST_SERVERS = 16;
/** For an answer to ARP, in ms: from a neighbour it takes less than one. */
const ARP_WAIT = 200;

/**
 * Broadcasts a DISCOVER and collects who offers an address; asks for none of them. Own offers are among them: the
 * caller knows its addresses. Throws TinderboxError `refused` (no right to port 68), `in-use`, `not-found` (no such
 * interface), `unavailable` (it is down, or koffi is missing).
 */
export function findDhcpServers(options: FindDhcpServersOptions): Promise<readonly FoundDhcpServer[]> {
  const { device, probe, isEnough } = options;
  const kind = { packet: encodeProbe(probe), read: readProbeReply, isEnough };
  return ask(options, kind, (socket, found) => addMacs(socket, device, found));
}

/**
 * The same as firmware asks: who names a boot file, with an address or, as a proxy does, without one. Throws what
 * findDhcpServers throws.
 */
export function findBootServers(
  options: Omit<FindDhcpServersOptions, 'isEnough'>,
): Promise<readonly FoundBootServer[]> {
  const kind = { packet: encodeBootProbe(options.probe), read: readBootProbeReply };
  return ask(options, kind, async (_socket, found) => found);
}

async function ask<Found extends { readonly server: Ipv4 }>(
  { device, probe, wait, signal: ending }: Omit<FindDhcpServersOptions, 'isEnough'>,
  { packet, read, isEnough = () => false }: Probing<Found>,
  finish: (socket: Socket, found: readonly Found[]) => Promise<readonly Found[]>,
): Promise<readonly Found[]> {
  const socket = await openClientPort(device);
  const found = new Map<Ipv4, Found>();
  const enough = new AbortController();
  const signal = ending === undefined ? enough.signal : AbortSignal.any([ending, enough.signal]);
  socket.on('message', (bytes) => {
    const offer = read(bytes, probe);
    if (offer === undefined || found.size >= MOST_SERVERS) return;
    found.set(offer.server, offer);
    if (isEnough(offer)) enough.abort();
  });
  // What the kernel says of a packet that was sent is of no use; that an interface is gone shows at the next send.
  socket.on('error', () => undefined);
  try {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      if (signal.aborted) break;
      await send(socket, packet, SERVER_PORT, '255.255.255.255', device);
      await pause(wait / TRIES, signal);
    }
    return await finish(socket, [...found.values()]);
  } finally {
    socket.close();
  }
}

/**
 * Port 68 beside the host's own DHCP client: dhclient, dhcpcd, udhcpc and systemd-networkd all bind theirs with
 * SO_REUSEADDR, and Linux gives a broadcast to every socket of the port.
 */
async function openClientPort(device: string): Promise<Socket> {
  const libc = loadLibc();
  const fd = libc.openUdpDescriptor();
  try {
    libc.setOption(fd, 'reuseAddress', 1);
    libc.setOption(fd, 'bindToDevice', device);
    libc.bindDescriptor(fd, UNSPECIFIED, CLIENT_PORT);
  } catch (error) {
    libc.closeDescriptor(fd);
    throw explain(error, device);
  }
  return adoptUdpDescriptor(fd, { broadcast: true });
}

function send(socket: Socket, bytes: Uint8Array, port: number, host: string, device: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(bytes, port, host, (error) => (error === null ? resolve() : reject(explain(error, device))));
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return delay(ms, undefined, { signal }).catch(() => undefined);
}

/** The kernel asks a neighbour for its MAC before it sends it anything: an empty datagram, to where nobody listens. */
async function addMacs(
  socket: Socket,
  device: string,
  servers: readonly FoundDhcpServer[],
): Promise<readonly FoundDhcpServer[]> {
  if (servers.length === 0) return servers;
  for (const { server } of servers) {
    await send(socket, new Uint8Array(), DISCARD_PORT, formatIpv4(server), device).catch(() => undefined);
  }
  await delay(ARP_WAIT);
  const neighbours = await readArpTable();
  return servers.map((found) => {
    const entry = neighbours.find(
      ({ address, device: where }) => address === found.server && where === device,
    );
    return entry === undefined ? found : { ...found, mac: entry.mac };
  });
}

function explain(thrown: unknown, device: string): TinderboxError {
  const { code, message } = toTinderboxError(thrown);
  const remedy =
    code === 'refused' ? 'Port 68 needs root or CAP_NET_BIND_SERVICE.' : `Look at: ip address show ${device}`;
  return new TinderboxError(code, `no DHCP server can be looked for on ${device}: ${message}`, {
    cause: thrown,
    remedy,
  });
}
