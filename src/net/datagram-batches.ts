import { createRequire } from 'node:module';
import { constants } from 'node:os';
import type * as Koffi from 'koffi';
import { TinderboxError } from '../errors.ts';
import { errnoName } from './errno-name.ts';
import {
  AF_INET,
  CMSG,
  CMSG_DATA,
  CMSG_USED,
  CONTROL,
  CONTROL_LENGTH,
  IOVEC,
  LENGTH,
  MMSGHDR,
  MSG_DONTWAIT,
  NAME,
  NAME_LENGTH,
  SOCKADDR,
  SOL_UDP,
  UDP_SEGMENT,
  VECTOR,
  VECTOR_COUNT,
} from './kernel-layout.ts';
import type { DatagramBatches, RawMemory, ReceivedBatch, SendFailure } from './port.ts';

/** Where the layout of the structures below is known: 64 bits, the lower byte first, glibc or musl. */
const ARCHITECTURES: readonly string[] = ['x64', 'arm64'];
/** Messages of one call. */
const MESSAGES = 128;
/** Blocks of one call: a message may hold a whole window. */
const BLOCKS = 1024;
/** Of a packet that is received; a client's longest is an ERROR with its text. */
const RECEIVED_BYTES = 1024;
/** For packets that are not blocks of a file. */
const LOOSE_BYTES = 16 * 1024;

const EFD_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const POLLFD = 8;
const POLLIN = 1;
const POLLOUT = 4;
const WORD = 4_294_967_296;
const { EAGAIN, EINTR } = constants.errno;

/** Whether `createDatagramBatches` may be called on this machine, as far as it can be known without calling it. */
export function hasDatagramBatches(
  platform: string = process.platform,
  arch: string = process.arch,
): boolean {
  return platform === 'linux' && ARCHITECTURES.includes(arch);
}

/** Throws what koffi throws. */
export function openRawMemory(): RawMemory {
  const { library, koffi } = loadLibrary();
  const eventfd = library.func('int eventfd(uint initial, int flags)');
  const close = library.func('int close(int fd)');
  return {
    addressOf: bindAddressOf(library),
    openWake() {
      const fd = eventfd(0, EFD_NONBLOCK_CLOEXEC) as number;
      if (fd < 0) throw new TinderboxError('unavailable', `eventfd: ${errnoName(koffi.errno())}`);
      return fd;
    },
    closeDescriptor: (fd) => void close(fd),
  };
}

/** For one thread; throws `unavailable` where it cannot be, and what koffi throws. */
export function createDatagramBatches(): DatagramBatches {
  if (!hasDatagramBatches()) {
    throw new TinderboxError('unavailable', `no batches of datagrams on ${process.platform} ${process.arch}`);
  }
  const { library, koffi } = loadLibrary();
  const sendmmsg = library.func('int sendmmsg(int fd, uintptr_t messages, uint count, int flags)');
  const recvmmsg = library.func(
    'int recvmmsg(int fd, uintptr_t messages, uint count, int flags, uintptr_t timeout)',
  );
  const poll = library.func('int poll(uintptr_t fds, ulong count, int timeout)');
  const addressOf = bindAddressOf(library);
  const usleep = library.func('int usleep(uint microseconds)');
  // What only the kernel looks at must not be collected.
  const kept: Uint8Array[] = [];
  // An ArrayBuffer that is made as such never moves; a small Uint8Array may.
  const area = (size: number) => {
    const bytes = new Uint8Array(new ArrayBuffer(size));
    const { buffer } = bytes;
    kept.push(bytes);
    return { bytes, words: new Uint32Array(buffer), halves: new Uint16Array(buffer), at: addressOf(bytes) };
  };

  const inHeaders = area(MESSAGES * MMSGHDR);
  const inNames = area(MESSAGES * SOCKADDR);
  const inBytes = area(MESSAGES * RECEIVED_BYTES);
  const inVectors = area(MESSAGES * IOVEC);
  for (let at = 0; at < MESSAGES; at++) {
    putPointer(inHeaders.words, at * MMSGHDR + NAME, inNames.at + at * SOCKADDR);
    inHeaders.words[(at * MMSGHDR + NAME_LENGTH) >>> 2] = SOCKADDR;
    putPointer(inHeaders.words, at * MMSGHDR + VECTOR, inVectors.at + at * IOVEC);
    inHeaders.words[(at * MMSGHDR + VECTOR_COUNT) >>> 2] = 1;
    putPointer(inVectors.words, at * IOVEC, inBytes.at + at * RECEIVED_BYTES);
    inVectors.words[(at * IOVEC + 8) >>> 2] = RECEIVED_BYTES;
  }
  const received: ReceivedBatch = {
    bytes: inBytes.bytes,
    startOf: (index) => index * RECEIVED_BYTES,
    lengthOf: (index) => inHeaders.words[(index * MMSGHDR + LENGTH) >>> 2] as number,
    // Both are in the network's order.
    addressOf(index) {
      const at = index * SOCKADDR + 4;
      const { bytes } = inNames;
      return (
        (((bytes[at] as number) << 24) |
          ((bytes[at + 1] as number) << 16) |
          ((bytes[at + 2] as number) << 8) |
          (bytes[at + 3] as number)) >>>
        0
      );
    },
    portOf: (index) =>
      ((inNames.bytes[index * SOCKADDR + 2] as number) << 8) |
      (inNames.bytes[index * SOCKADDR + 3] as number),
  };

  const outHeaders = area(MESSAGES * MMSGHDR);
  const outNames = area(MESSAGES * SOCKADDR);
  const outControls = area(MESSAGES * CMSG);
  // Of each block two: its four bytes of header, and what follows wherever that lies.
  const outVectors = area(BLOCKS * 2 * IOVEC);
  const outStarts = area(BLOCKS * 4);
  const loose = area(LOOSE_BYTES);
  for (let at = 0; at < MESSAGES; at++) {
    putPointer(outHeaders.words, at * MMSGHDR + NAME, outNames.at + at * SOCKADDR);
    outHeaders.words[(at * MMSGHDR + NAME_LENGTH) >>> 2] = SOCKADDR;
    putPointer(outHeaders.words, at * MMSGHDR + CONTROL, outControls.at + at * CMSG);
    outNames.halves[(at * SOCKADDR) >>> 1] = AF_INET;
    outControls.words[(at * CMSG) >>> 2] = CMSG_USED;
    outControls.words[(at * CMSG + 8) >>> 2] = SOL_UDP;
    outControls.words[(at * CMSG + 12) >>> 2] = UDP_SEGMENT;
  }
  for (let at = 0; at < BLOCKS; at++) {
    putPointer(outVectors.words, at * 2 * IOVEC, outStarts.at + at * 4);
    outVectors.words[(at * 2 * IOVEC + 8) >>> 2] = 4;
  }
  let messages = 0;
  let blocks = 0;
  let looseUsed = 0;

  const addPart = (pointer: number, length: number): number => {
    const at = (blocks * 2 + 1) * IOVEC;
    putPointer(outVectors.words, at, pointer);
    outVectors.words[(at + 8) >>> 2] = length;
    const header = (messages - 1) * MMSGHDR + VECTOR_COUNT;
    outHeaders.words[header >>> 2] = (outHeaders.words[header >>> 2] as number) + 2;
    return blocks++ * 4;
  };

  let watched: number[] = [];
  let polled = area(64 * POLLFD);
  const polledAt = (fd: number): number => watched.indexOf(fd) * POLLFD;

  return {
    keeps: kept,
    receive(fd) {
      const count = recvmmsg(fd, inHeaders.at, MESSAGES, MSG_DONTWAIT, 0) as number;
      return Math.max(count, 0);
    },
    received,
    mostReceived: MESSAGES,
    hasRoom: (count, looseBytes) =>
      messages < MESSAGES && blocks + count <= BLOCKS && looseUsed + looseBytes <= LOOSE_BYTES,
    open(address, port, segment) {
      const name = messages * SOCKADDR;
      outNames.bytes[name + 2] = port >>> 8;
      outNames.bytes[name + 3] = port;
      outNames.bytes[name + 4] = address >>> 24;
      outNames.bytes[name + 5] = address >>> 16;
      outNames.bytes[name + 6] = address >>> 8;
      outNames.bytes[name + 7] = address;
      const header = messages * MMSGHDR;
      putPointer(outHeaders.words, header + VECTOR, outVectors.at + blocks * 2 * IOVEC);
      outHeaders.words[(header + VECTOR_COUNT) >>> 2] = 0;
      outHeaders.words[(header + CONTROL_LENGTH) >>> 2] = segment === 0 ? 0 : CMSG;
      outControls.halves[(messages * CMSG + CMSG_DATA) >>> 1] = segment;
      return messages++;
    },
    addBlock(pointer, length) {
      return addPart(pointer, length);
    },
    starts: outStarts.bytes,
    addLoose(packet) {
      loose.bytes.set(packet.subarray(4), looseUsed);
      const start = addPart(loose.at + looseUsed, packet.length - 4);
      outStarts.bytes.set(packet.subarray(0, 4), start);
      looseUsed += packet.length - 4;
    },
    flush(fd, onFailure) {
      let at = 0;
      while (at < messages) {
        const count = sendmmsg(fd, outHeaders.at + at * MMSGHDR, messages - at, MSG_DONTWAIT) as number;
        if (count > 0) {
          at += count;
          continue;
        }
        const errno = koffi.errno();
        if (errno === EAGAIN) break;
        if (errno === EINTR) continue;
        onFailure(at, { errno, code: errnoName(errno) } satisfies SendFailure);
        at++;
      }
      messages = 0;
      blocks = 0;
      looseUsed = 0;
      return at;
    },
    watch(fds) {
      watched = [...fds];
      if (fds.length * POLLFD > polled.bytes.length) polled = area(2 * fds.length * POLLFD);
      for (const [at, fd] of watched.entries()) {
        polled.words[(at * POLLFD) >>> 2] = fd;
        polled.halves[(at * POLLFD + 4) >>> 1] = POLLIN;
      }
    },
    watchRoom(fd, wanted) {
      const at = polledAt(fd);
      if (at >= 0) polled.halves[(at + 4) >>> 1] = wanted ? POLLIN | POLLOUT : POLLIN;
    },
    pause: (microseconds) => void usleep(microseconds),
    wait: (ms) => Math.max(0, poll(polled.at, watched.length, ms) as number),
    mayRead: (index) => ((polled.halves[(index * POLLFD + 6) >>> 1] as number) & ~POLLOUT) !== 0,
    mayWrite: (index) => ((polled.halves[(index * POLLFD + 6) >>> 1] as number) & POLLOUT) !== 0,
  };
}

function loadLibrary() {
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
  return { koffi, library: koffi.load(null) };
}

function bindAddressOf(library: Koffi.LibraryHandle): (bytes: Uint8Array) => number {
  const memmove = library.func('uintptr_t memmove(void *to, const void *from, size_t size)');
  return (bytes) => {
    // A small array lies on V8's heap, and moves, until somebody asks for its buffer.
    if (bytes.buffer.byteLength === 0 || bytes.length === 0) return 0;
    return Number(memmove(bytes, bytes, 0));
  };
}

function putPointer(words: Uint32Array, offset: number, pointer: number): void {
  words[offset >>> 2] = pointer >>> 0;
  words[(offset >>> 2) + 1] = Math.floor(pointer / WORD);
}
