import type * as Koffi from 'koffi';
import { hasKnownLayout } from './kernel-layout.ts';

/**
 * The calls that move files to sockets. Those of setting up throw an Error whose `code` is the errno's name; those of a
 * loop return what came of it and throw nothing.
 */
export interface TransferCalls {
  /** A nameless file in memory, which ends with its last descriptor. It counts as the memory of who made it. */
  readonly openMemoryFile: (name: string) => number;
  readonly openEpoll: () => number;
  /** What a thread that waits is woken by: eight bytes, written to it. */
  readonly openWaker: () => number;
  /** What is watched for is `writable`, for room in the socket; `readable`; or nothing but the connection's end. */
  readonly watch: (
    epoll: number,
    change: 'add' | 'change' | 'remove',
    fd: number,
    what: 'writable' | 'readable' | 'nothing',
    id: number,
  ) => void;
  /** Calls back with the id of each that something happened to. Waits in the kernel, and with it the whole thread. */
  readonly waitFor: (
    epoll: number,
    milliseconds: number,
    happened: (id: number, ended: boolean) => void,
  ) => void;
  /** Bytes that the socket took, 0 at the file's end; else what `failureOf` tells. The bytes are never copied. */
  readonly sendFile: (socket: number, file: number, at: number, bytes: number) => number;
  /** As `sendFile`, of the first bytes of a buffer, which are copied. */
  readonly sendBytes: (socket: number, buffer: Uint8Array, bytes: number) => number;
  /** Of the last call that returned less than 0. */
  readonly failure: () => 'try-again' | 'gone' | { readonly errno: number };
  /** The kernel is to have these bytes of the file ready; waits for nothing. */
  readonly readAhead: (file: number, at: number, bytes: number) => void;
}

const MFD_CLOEXEC = 1;
const EPOLL_CLOEXEC = 0o2000000;
const EFD_CLOEXEC_NONBLOCK = 0o2000000 | 0o4000;
const EPOLLIN = 1;
const EPOLLOUT = 4;
const EPOLLERR_HUP = 8 | 16;
const CHANGES = { add: 1, remove: 2, change: 3 } as const;
const INTERESTS = { nothing: 0, readable: EPOLLIN, writable: EPOLLOUT } as const;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
const POSIX_FADV_WILLNEED = 3;
const EINTR = 4;
const EAGAIN = 11;
/** EPIPE, ENOTCONN, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN, ECONNABORTED (asm-generic/errno.h). */
const GONE: ReadonlySet<number> = new Set([32, 107, 104, 110, 113, 101, 100, 103]);
const EVENTS = 64;
/** struct epoll_event is packed on x86 alone (linux/eventpoll.h): the data begin at 4 there, else at 8. */
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const DATA_AT = EVENT_BYTES - 8;

/**
 * Whether the layouts here are this processor's. On 32 bits files' offsets have another width, and on i386 the event is
 * packed as well: the loop would take one event for another.
 */
export const hasTransferCalls = hasKnownLayout;

type Check = (call: string, result: number) => number;

export function bindTransferCalls(
  library: Koffi.LibraryHandle,
  check: Check,
  errno: () => number,
): TransferCalls {
  const memfdCreate = library.func('int memfd_create(const char *name, uint flags)');
  const epollCreate = library.func('int epoll_create1(int flags)');
  const epollCtl = library.func('int epoll_ctl(int epoll, int change, int fd, void *event)');
  const epollWait = library.func('int epoll_wait(int epoll, void *events, int count, int milliseconds)');
  const eventfd = library.func('int eventfd(uint initial, int flags)');
  const sendfile = library.func('long sendfile(int socket, int file, void *offset, size_t bytes)');
  const send = library.func('long send(int socket, const void *bytes, size_t size, int flags)');
  const advise = library.func('int posix_fadvise(int fd, int64_t at, int64_t bytes, int advice)');

  const event = new DataView(new ArrayBuffer(EVENT_BYTES));
  const events = new DataView(new ArrayBuffer(EVENTS * EVENT_BYTES));
  const eventBytes = new Uint8Array(event.buffer);
  const eventsBytes = new Uint8Array(events.buffer);
  const offset = new BigInt64Array(1);

  return {
    openMemoryFile: (name) => check('memfd_create', memfdCreate(name, MFD_CLOEXEC)),
    openEpoll: () => check('epoll_create1', epollCreate(EPOLL_CLOEXEC)),
    openWaker: () => check('eventfd', eventfd(0, EFD_CLOEXEC_NONBLOCK)),
    watch(epoll, change, fd, what, id) {
      // In the host's order, which is little-endian wherever koffi is built for here.
      event.setUint32(0, INTERESTS[what], true);
      event.setUint32(DATA_AT, id, true);
      check('epoll_ctl', epollCtl(epoll, CHANGES[change], fd, eventBytes));
    },
    waitFor(epoll, milliseconds, happened) {
      const count = epollWait(epoll, eventsBytes, EVENTS, milliseconds) as number;
      for (let at = 0; at < count; at++) {
        const ended = (events.getUint32(at * EVENT_BYTES, true) & EPOLLERR_HUP) !== 0;
        happened(events.getUint32(at * EVENT_BYTES + DATA_AT, true), ended);
      }
    },
    sendFile(target, file, at, bytes) {
      offset[0] = BigInt(at);
      return Number(sendfile(target, file, offset, bytes));
    },
    sendBytes: (target, buffer, bytes) => Number(send(target, buffer, bytes, MSG_DONTWAIT_NOSIGNAL)),
    failure() {
      const number = errno();
      if (number === EAGAIN || number === EINTR) return 'try-again';
      return GONE.has(number) ? 'gone' : { errno: number };
    },
    readAhead(file, at, bytes) {
      advise(file, at, bytes, POSIX_FADV_WILLNEED);
    },
  };
}
