import type * as Koffi from 'koffi';
import type { Ipv4 } from '../machine/ipv4.ts';
import { ipv4FromBytes } from '../machine/ipv4.ts';

/** What a descriptor really is, whatever it is called. */
export interface SocketFacts {
  readonly type: 'udp' | 'tcp-listening' | 'other';
  readonly address: Ipv4;
  readonly port: number;
  /** The interface that it is tied to, by the name that has now; undefined: to none, or to one that is gone. */
  readonly device?: string;
  readonly deviceIsGone: boolean;
}

/** The calls of the C library about sockets that somebody else made. Each throws an Error whose `code` is the errno's name. */
export interface SocketCalls {
  /** Throws ENOTSOCK, EBADF. */
  readonly describeSocket: (fd: number) => SocketFacts;
  /** Who connected to a unix socket, when they did. */
  readonly peerUserId: (fd: number) => number;
  /** Another descriptor of the same socket, which children do not inherit. */
  readonly duplicate: (fd: number) => number;
  /** Children do not inherit it any more. */
  readonly closeOnExec: (fd: number) => void;
  /** Datagrams that came and found no room in the receive buffer, since the socket was made. */
  readonly droppedDatagrams: (fd: number) => number;
  /** One datagram to a unix socket; never waits. A name that begins with `@` is abstract (unix(7)). */
  readonly sendToUnixSocket: (path: string, bytes: Uint8Array) => void;
}

const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_BINDTODEVICE = 25;
const SO_PEERCRED = 17;
const SO_ACCEPTCONN = 30;
/** An array of numbers about its memory (linux/sock_diag.h: SK_MEMINFO_DROPS). */
const SO_MEMINFO = 55;
const MEMINFO_NUMBERS = 9;
const MEMINFO_DROPS = 8;
const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const F_DUPFD_CLOEXEC = 1030;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
const IFNAMSIZ = 16;

type Check = (call: string, result: number) => number;

export function bindSocketCalls(library: Koffi.LibraryHandle, check: Check): SocketCalls {
  const getsockopt = library.func(
    'int getsockopt(int fd, int level, int name, void *value, _Inout_ uint *length)',
  );
  const getsockname = library.func('int getsockname(int fd, void *address, _Inout_ uint *length)');
  const fcntl = library.func('int fcntl(int fd, int command, ...)');
  const socket = library.func('int socket(int domain, int type, int protocol)');
  const close = library.func('int close(int fd)');
  const sendto = library.func(
    'long sendto(int fd, const void *bytes, size_t size, int flags, const void *address, uint length)',
  );

  const option = (fd: number, name: number): number => {
    const value = new Int32Array(1);
    check('getsockopt', getsockopt(fd, SOL_SOCKET, name, value, [4]));
    return value[0] ?? 0;
  };
  /** The kernel keeps a number and says ENODEV when no interface has it any more. */
  const deviceOf = (fd: number): Pick<SocketFacts, 'device' | 'deviceIsGone'> => {
    const name = Buffer.alloc(IFNAMSIZ);
    try {
      check('getsockopt', getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, [IFNAMSIZ]));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENODEV') return { deviceIsGone: true };
      throw error;
    }
    const device = name.toString('latin1').replace(/\0.*$/s, '');
    return device === '' ? { deviceIsGone: false } : { device, deviceIsGone: false };
  };

  return {
    describeSocket(fd) {
      const type = option(fd, SO_TYPE);
      const name = Buffer.alloc(128);
      check('getsockname', getsockname(fd, name, [name.length]));
      const isIpv4 = new Uint16Array(name.buffer.slice(name.byteOffset, name.byteOffset + 2))[0] === AF_INET;
      const isListening = type === SOCK_STREAM && option(fd, SO_ACCEPTCONN) === 1;
      const kind = type === SOCK_DGRAM ? 'udp' : isListening ? 'tcp-listening' : 'other';
      return {
        type: isIpv4 ? kind : 'other',
        port: name.readUInt16BE(2),
        address: ipv4FromBytes(name, 4),
        ...deviceOf(fd),
      };
    },
    peerUserId(fd) {
      // struct ucred: process, user, group; each 32 bits (unix(7)).
      const credentials = new Uint32Array(3);
      check('getsockopt', getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, [credentials.byteLength]));
      return credentials[1] ?? 0;
    },
    duplicate: (fd) => check('fcntl', fcntl(fd, F_DUPFD_CLOEXEC, 'int', 3)),
    closeOnExec: (fd) => void check('fcntl', fcntl(fd, F_SETFD, 'int', FD_CLOEXEC)),
    droppedDatagrams(fd) {
      const numbers = new Uint32Array(MEMINFO_NUMBERS);
      check('getsockopt', getsockopt(fd, SOL_SOCKET, SO_MEMINFO, numbers, [numbers.byteLength]));
      return numbers[MEMINFO_DROPS] ?? 0;
    },
    sendToUnixSocket(path, bytes) {
      const fd = check('socket', socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0));
      try {
        const family = Buffer.from(new Uint8Array(Uint16Array.of(AF_UNIX).buffer));
        const isAbstract = path.startsWith('@');
        // An abstract name has no end but the address's own length.
        const name = Buffer.from(isAbstract ? `\0${path.slice(1)}` : `${path}\0`);
        const address = Buffer.concat([family, name]);
        check(
          'sendto',
          Number(sendto(fd, bytes, bytes.length, MSG_DONTWAIT_NOSIGNAL, address, address.length)),
        );
      } finally {
        close(fd);
      }
    },
  };
}
