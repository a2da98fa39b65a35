import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';
import { TinderboxError } from '../errors.ts';
import type { Ipv4 } from '../machine/ipv4.ts';
import { ipv4FromBytes } from '../machine/ipv4.ts';
import { errnoName } from './errno-name.ts';
import { type BatchCalls, bindBatchCalls } from './libc-batches.ts';
import { bindMemoryCalls, type MemoryCalls } from './libc-memory.ts';
import { bindNetlinkCalls, type NetlinkCalls } from './libc-netlink.ts';
import { bindSocketCalls, type SocketCalls } from './libc-sockets.ts';
import { bindTransferCalls, type TransferCalls } from './libc-transfers.ts';

/** One entry of getifaddrs(3): a name comes once per address, and once without one, for the device itself. */
export interface InterfaceAddress {
  readonly name: string;
  readonly up: boolean;
  /** A cable, and somebody at its other end. */
  readonly carrier: boolean;
  readonly address?: Ipv4;
  readonly netmask?: Ipv4;
  readonly device?: { readonly index: number; readonly hardwareAddress: Uint8Array };
}

/** The few calls of the C library that Node does not offer. Each throws an Error whose `code` is the errno's name. */
export interface Libc extends SocketCalls, TransferCalls, BatchCalls, NetlinkCalls, MemoryCalls {
  /** An unbound, non-blocking IPv4 UDP socket; the descriptor belongs to the caller. */
  readonly openUdpDescriptor: () => number;
  readonly setOption: (fd: number, option: SocketOption, value: number | string) => void;
  readonly bindDescriptor: (fd: number, address: Ipv4, port: number) => void;
  readonly closeDescriptor: (fd: number) => void;
  readonly interfaceAddresses: () => readonly InterfaceAddress[];
  /** Bytes; undefined if the kernel does not say. */
  readonly interfaceMtu: (name: string) => number | undefined;
}

// Linux on x86, arm, RISC-V and LoongArch (asm-generic/socket.h).
const SOL_SOCKET = 1;
const SOCKET_OPTIONS = {
  reuseAddress: 2,
  sendBuffer: 7,
  receiveBuffer: 8,
  bindToDevice: 25,
  forcedReceiveBuffer: 33,
} as const;
export type SocketOption = keyof typeof SOCKET_OPTIONS;
const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC_NONBLOCK = 2 | 0o2000000 | 0o4000;
const AF_PACKET = 17;
const IFF_UP = 1;
const IFF_RUNNING = 0x40;
/** sizeof(struct sockaddr_ll). */
const SOCKADDR_LL_SIZE = 20;
const SIOCGIFMTU = 0x8921;
const IFNAMSIZ = 16;
const IFREQ_SIZE = 40;

let loaded: Libc | Error | undefined;

/** Throws TinderboxError `unavailable` where koffi has no binary for this platform. */
export function loadLibc(): Libc {
  loaded ??= tryLoad();
  if (loaded instanceof Error) {
    throw new TinderboxError('unavailable', `the C library cannot be called: ${loaded.message}`, {
      cause: loaded,
      remedy: 'Install the npm package koffi for this platform (npm ci on this host).',
    });
  }
  return loaded;
}

function tryLoad(): Libc | Error {
  try {
    return bindFunctions();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function bindFunctions(): Libc {
  // Not a static import: where koffi has no binary for the platform, only what needs it may fail.
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
  const check = (call: string, result: number): number => {
    if (result >= 0) return result;
    throw errnoError(call, koffi.errno());
  };
  // The running program has the C library loaded, whatever its file is called (glibc, musl).
  const library = koffi.load(null);
  const socket = library.func('int socket(int domain, int type, int protocol)');
  const setsockopt = library.func(
    'int setsockopt(int fd, int level, int name, const void *value, uint length)',
  );
  const bind = library.func('int bind(int fd, const void *address, uint length)');
  const close = library.func('int close(int fd)');
  const ioctl = library.func('int ioctl(int fd, ulong request, ...)');
  const getifaddrs = library.func('int getifaddrs(_Out_ void **list)');
  const freeifaddrs = library.func('void freeifaddrs(void *list)');
  const ifaddrs = koffi.struct({
    next: 'void *',
    name: 'string',
    flags: 'uint',
    address: 'void *',
    netmask: 'void *',
    broadcast: 'void *',
    data: 'void *',
  });
  const sockaddr = koffi.array('uint8', 8);
  const sockaddrLl = koffi.array('uint8', SOCKADDR_LL_SIZE);

  const ipv4Of = (pointer: unknown): Ipv4 | undefined => {
    if (pointer === null) return undefined;
    const bytes = koffi.decode(pointer, sockaddr) as Uint8Array;
    // In sockaddr_in, port (2 bytes) and address (4) follow the family.
    return familyOf(bytes) === AF_INET ? ipv4FromBytes(bytes, 4) : undefined;
  };
  // packet(7): family (2 bytes), protocol (2), index (4), type (2), packet type (1), length (1), address.
  const deviceOf = (pointer: unknown): InterfaceAddress['device'] => {
    if (pointer === null || familyOf(koffi.decode(pointer, sockaddr) as Uint8Array) !== AF_PACKET)
      return undefined;
    const bytes = koffi.decode(pointer, sockaddrLl) as Uint8Array;
    const [index = 0] = new Int32Array(bytes.slice(4, 8).buffer);
    return { index, hardwareAddress: bytes.slice(12, 12 + Math.min(bytes[11] ?? 0, 8)) };
  };
  const openUdpDescriptor = (): number => check('socket', socket(AF_INET, SOCK_DGRAM_CLOEXEC_NONBLOCK, 0));

  return {
    ...bindSocketCalls(library, check),
    ...bindTransferCalls(library, check, () => koffi.errno()),
    ...bindBatchCalls(koffi, library),
    ...bindNetlinkCalls(library, check),
    ...bindMemoryCalls(library),
    openUdpDescriptor,
    setOption(fd, option, value) {
      const bytes =
        typeof value === 'string' ? Buffer.from(`${value}\0`) : Buffer.from(Int32Array.of(value).buffer);
      check('setsockopt', setsockopt(fd, SOL_SOCKET, SOCKET_OPTIONS[option], bytes, bytes.length));
    },
    bindDescriptor(fd, address, port) {
      const bytes = Buffer.alloc(16);
      bytes.set(new Uint8Array(Uint16Array.of(AF_INET).buffer));
      bytes.writeUInt16BE(port, 2);
      bytes.writeUInt32BE(address, 4);
      check('bind', bind(fd, bytes, bytes.length));
    },
    closeDescriptor(fd) {
      close(fd);
    },
    interfaceAddresses() {
      const list: unknown[] = [null];
      check('getifaddrs', getifaddrs(list));
      const entries: InterfaceAddress[] = [];
      for (let pointer = list[0]; pointer !== null; ) {
        const entry = koffi.decode(pointer, ifaddrs);
        const address = ipv4Of(entry.address);
        const netmask = address === undefined ? undefined : ipv4Of(entry.netmask);
        const device = deviceOf(entry.address);
        entries.push({
          name: entry.name,
          up: (entry.flags & IFF_UP) !== 0,
          carrier: (entry.flags & IFF_RUNNING) !== 0,
          ...(device !== undefined && { device }),
          ...(address !== undefined && { address }),
          ...(netmask !== undefined && { netmask }),
        });
        pointer = entry.next;
      }
      freeifaddrs(list[0]);
      return entries;
    },
    interfaceMtu(name) {
      const fd = openUdpDescriptor();
      try {
        const request = Buffer.alloc(IFREQ_SIZE);
        request.write(name.slice(0, IFNAMSIZ - 1), 'latin1');
        if (ioctl(fd, SIOCGIFMTU, 'void *', request) < 0) return undefined;
        return new Int32Array(
          request.buffer.slice(request.byteOffset + IFNAMSIZ, request.byteOffset + IFNAMSIZ + 4),
        )[0];
      } finally {
        close(fd);
      }
    },
  };
}

function familyOf(sockaddr: Uint8Array): number | undefined {
  // 16 bits in the host's order.
  return new Uint16Array(sockaddr.slice(0, 2).buffer)[0];
}

export function errnoError(call: string, errno: number): NodeJS.ErrnoException {
  const code = errnoName(errno);
  return Object.assign(new Error(`${call}: ${code}`), { code, errno, syscall: call });
}
