import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import { formatIpv4, UNSPECIFIED } from '../machine/ipv4.ts';
import { findInterface } from './interfaces.ts';
import type { Libc } from './libc.ts';
import { loadLibc } from './libc.ts';
import type { OpenUdpDescriptor, OpenUdpSocket, UdpSocketOptions } from './port.ts';
import { describeHolders, whoHoldsUdpPort } from './who-holds-port.ts';

/**
 * Opens a bound UDP socket. With `device` the socket is made by the C library, tied to the device, and its
 * descriptor handed to Node: Node has no SO_BINDTODEVICE, and a socket on 0.0.0.0 cannot tell which interface a
 * broadcast came in on. Never SO_REUSEADDR, which would hide that another server has the port.
 *
 * Throws TinderboxError `in-use`, `refused`, `not-found` (port.ts), and `unavailable` where `device` is asked for
 * and koffi cannot be loaded.
 */
export const openUdpSocket: OpenUdpSocket = async (options) => {
  try {
    return options.device === undefined
      ? await openOnAddress(options)
      : await openOnDevice(options, options.device);
  } catch (error) {
    throw await explainFailure(error, options);
  }
};

/** As openUdpSocket, for whoever calls the kernel without Node; `unavailable` wherever koffi cannot be loaded. */
export const openUdpDescriptor: OpenUdpDescriptor = async (options) => {
  try {
    const libc = loadLibc();
    const fd = libc.openUdpDescriptor();
    try {
      if (options.device !== undefined) libc.setOption(fd, 'bindToDevice', options.device);
      for (const buffer of ['sendBuffer', 'receiveBuffer'] as const) {
        if (options[buffer] !== undefined) libc.setOption(fd, buffer, options[buffer]);
      }
      exceedKernelsLimit(libc, fd, options.receiveBuffer);
      libc.bindDescriptor(fd, options.address ?? UNSPECIFIED, options.port);
      return { fd, port: libc.describeSocket(fd).port };
    } catch (error) {
      libc.closeDescriptor(fd);
      throw error;
    }
  } catch (error) {
    throw await explainFailure(error, options);
  }
};

/**
 * Makes a Node socket of a bound descriptor: one opened here, or one that systemd handed over. The descriptor
 * belongs to the socket afterwards, and is closed where this throws.
 */
export async function adoptUdpDescriptor(
  fd: number,
  options: Pick<UdpSocketOptions, 'broadcast' | 'receiveBuffer'> = {},
): Promise<Socket> {
  const socket = createSocket(socketOptions(options));
  try {
    const listening = once(socket, 'listening');
    socket.bind({ fd });
    await listening;
    if (options.broadcast === true) socket.setBroadcast(true);
    descriptors.set(socket, fd);
    return socket;
  } catch (error) {
    const isTaken = isBound(socket);
    socket.close();
    if (!isTaken) closeSync(fd);
    throw error;
  }
}

const descriptors = new WeakMap<Socket, number>();

/** Of a socket that was made here of a descriptor, as long as it is open. */
export function descriptorOf(socket: Socket): number | undefined {
  return descriptors.get(socket);
}

/** Whether it has a descriptor: `bind` may fail before it takes the one it is given, or after. */
function isBound(socket: Socket): boolean {
  try {
    socket.address();
    return true;
  } catch {
    return false;
  }
}

async function openOnAddress(options: UdpSocketOptions): Promise<Socket> {
  const socket = createSocket(socketOptions(options));
  const listening = once(socket, 'listening');
  socket.bind({ port: options.port, address: formatIpv4(options.address ?? UNSPECIFIED), exclusive: true });
  try {
    await listening;
  } catch (error) {
    socket.close();
    throw error;
  }
  if (options.broadcast === true) socket.setBroadcast(true);
  return socket;
}

async function openOnDevice(options: UdpSocketOptions, device: string): Promise<Socket> {
  const libc = loadLibcFor(device);
  const fd = libc.openUdpDescriptor();
  try {
    libc.setOption(fd, 'bindToDevice', device);
    libc.bindDescriptor(fd, options.address ?? UNSPECIFIED, options.port);
  } catch (error) {
    libc.closeDescriptor(fd);
    throw error;
  }
  const socket = await adoptUdpDescriptor(fd, options);
  // libuv turns SO_REUSEADDR on in every descriptor it is given: another server with it set could then share the port.
  libc.setOption(fd, 'reuseAddress', 0);
  exceedKernelsLimit(libc, fd, options.receiveBuffer);
  return socket;
}

/** net.core.rmem_max is for those without CAP_NET_ADMIN; they keep what they were given. */
function exceedKernelsLimit(libc: Libc, fd: number, receiveBuffer: number | undefined): void {
  if (receiveBuffer === undefined) return;
  try {
    libc.setOption(fd, 'forcedReceiveBuffer', receiveBuffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}

function loadLibcFor(device: string): Libc {
  try {
    return loadLibc();
  } catch (cause) {
    const reason = toTinderboxError(cause);
    throw new TinderboxError('unavailable', `no socket can be tied to ${device}: ${reason.message}`, {
      cause,
      remedy:
        'Install the npm package koffi for this platform (npm ci on this host), or let systemd open the sockets ' +
        '(BindToDevice=). Without either, one interface can be served by a socket on all addresses.',
    });
  }
}

function socketOptions(options: Pick<UdpSocketOptions, 'receiveBuffer' | 'shared'>) {
  return {
    type: 'udp4' as const,
    lookup: asItIs,
    reuseAddr: options.shared === true,
    ...(options.receiveBuffer !== undefined && { recvBufferSize: options.receiveBuffer }),
  };
}

/**
 * Every address here is one already. Node would pass it through its resolver, which answers a tick later: a third of
 * the time of a lock-step transfer.
 */
function asItIs(
  host: string,
  _options: unknown,
  done: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  done(null, host, 4);
}

async function explainFailure(thrown: unknown, options: UdpSocketOptions): Promise<TinderboxError> {
  if (thrown instanceof TinderboxError) return thrown;
  const where =
    options.device ?? (options.address === undefined ? 'all addresses' : formatIpv4(options.address));
  const place = `UDP port ${options.port} on ${where}`;
  switch ((thrown as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE': {
      const holders = describeHolders(await whoHoldsUdpPort(options.port, options.address));
      return new TinderboxError('in-use', `${place} is held by ${holders ?? 'another program'}`, {
        cause: thrown,
        remedy:
          holders === undefined
            ? `Find it as root with: ss -lunp 'sport = :${options.port}'; stop it, or give one of the two another port.`
            : 'Stop that program, or give one of the two another port or interface.',
      });
    }
    case 'EACCES':
    case 'EPERM':
      return new TinderboxError('refused', `${place} may not be opened by this user`, {
        cause: thrown,
        remedy: 'Ports below 1024 need root or CAP_NET_BIND_SERVICE; the systemd units bring it along.',
      });
    case 'ENODEV':
      return noSuchDevice(where, thrown);
    case 'EADDRNOTAVAIL':
      return new TinderboxError(
        'not-found',
        `${place} cannot be opened: this host does not have that address`,
        {
          cause: thrown,
          remedy: 'Give the interface that address, or configure one that it has.',
        },
      );
    default: {
      const plain = toTinderboxError(thrown);
      return new TinderboxError(plain.code, `${place} cannot be opened: ${plain.message}`, { cause: thrown });
    }
  }
}

async function noSuchDevice(device: string, cause: unknown): Promise<TinderboxError> {
  try {
    await findInterface(device);
  } catch (error) {
    return toTinderboxError(error);
  }
  // It came back between the two calls.
  return new TinderboxError('not-found', `there was no network interface ${device}`, { cause });
}
