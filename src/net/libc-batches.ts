import { endianness } from 'node:os';
import type * as Koffi from 'koffi';
import type { Ipv4 } from '../machine/ipv4.ts';

/** Several datagrams by one call of the kernel, each way. Holds its memory as long as it is referred to. */
export interface DatagramBatch {
  /** Takes what waits, as much as there is room for; how many datagrams that were. Zero also where it failed. */
  receive(): number;
  /** Of the last `receive`: views that the next one overwrites. */
  bytesAt(index: number): Uint8Array;
  addressAt(index: number): Ipv4;
  portAt(index: number): number;
  /** Copies a datagram to what is to be sent; false: there is no room. */
  put(bytes: Uint8Array, address: Ipv4, port: number): boolean;
  /**
   * Sends what was put; `failed` is called with the place of each that the kernel refused, and with the errno. Where it
   * would have to wait for room, that is for the rest.
   */
  flush(failed: (index: number, errno: number) => void): void;
}

export interface BatchCalls {
  /** Undefined: the memory's layout is not known for this processor. */
  readonly batchOf: (fd: number) => DatagramBatch | undefined;
}

/** Datagrams of one call. A rack that powers on comes in tens, and each slot costs a page of memory once it was used. */
export const BATCH = 32;
/** The largest datagram there is. Memory that is never touched costs nothing. */
const RECEIVE_ROOM = 65_536;
/** A reply's; what is larger goes alone. */
const SEND_ROOM = 2_048;

/*
 * On 64 bits (recvmmsg(2), readv(2), ip(7)):
 *
 *   struct mmsghdr   name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48, len 56; 64 bytes
 *   struct iovec     base 0, len 8; 16 bytes
 *   sockaddr_in      family 0 (host's order), port 2, address 4; 16 bytes
 */
const MMSGHDR = 64;
const NAME_LENGTH = 8;
const VECTOR = 16;
const VECTOR_COUNT = 24;
const LENGTH = 56;
const IOVEC = 16;
const SOCKADDR = 16;
const AF_INET = 2;
const MSG_DONTWAIT = 0x40;

/** Whose memory is as drawn above. */
const PROCESSORS = ['arm64', 'loong64', 'riscv64', 'x64'];

type KoffiModule = Pick<typeof Koffi, 'address' | 'errno'>;

export function bindBatchCalls(koffi: KoffiModule, library: Koffi.LibraryHandle): BatchCalls {
  const recvmmsg = library.func('int recvmmsg(int fd, void *headers, uint count, int flags, void *timeout)');
  const sendmmsg = library.func('int sendmmsg(int fd, void *headers, uint count, int flags)');
  const isKnown = PROCESSORS.includes(process.arch) && endianness() === 'LE';

  return {
    batchOf(fd) {
      if (!isKnown) return undefined;
      const into = layOut(koffi, RECEIVE_ROOM);
      const out = layOut(koffi, SEND_ROOM);
      let received = 0;
      let waiting = 0;
      return {
        receive() {
          // The kernel wrote over the lengths of the names that it had room for.
          for (let index = 0; index < received; index++)
            into.headers.setUint32(index * MMSGHDR + NAME_LENGTH, SOCKADDR, true);
          received = Math.max(0, recvmmsg(fd, into.headerBytes, BATCH, MSG_DONTWAIT, null) as number);
          return received;
        },
        bytesAt: (index) =>
          into.room.subarray(
            index * RECEIVE_ROOM,
            index * RECEIVE_ROOM + into.headers.getUint32(index * MMSGHDR + LENGTH, true),
          ),
        addressAt: (index) => into.names.getUint32(index * SOCKADDR + 4) as Ipv4,
        portAt: (index) => into.names.getUint16(index * SOCKADDR + 2),
        put(bytes, address, port) {
          if (waiting === BATCH || bytes.length > SEND_ROOM) return false;
          out.room.set(bytes, waiting * SEND_ROOM);
          out.vectors.setUint32(waiting * IOVEC + 8, bytes.length, true);
          out.names.setUint16(waiting * SOCKADDR + 2, port);
          out.names.setUint32(waiting * SOCKADDR + 4, address);
          waiting++;
          return true;
        },
        flush(failed) {
          const count = waiting;
          waiting = 0;
          for (let at = 0; at < count; ) {
            const left = at === 0 ? out.headerBytes : out.headerBytes.subarray(at * MMSGHDR);
            const sent = sendmmsg(fd, left, count - at, MSG_DONTWAIT) as number;
            // An error is of the first that is left: the others are tried all the same.
            if (sent > 0) at += sent;
            else failed(at++, koffi.errno());
          }
        },
      };
    },
  };
}

/** Room for a batch, and the kernel's headers that point into it. An ArrayBuffer of this size does not move. */
function layOut(koffi: KoffiModule, roomOfOne: number) {
  const room = new Uint8Array(new ArrayBuffer(BATCH * roomOfOne));
  const names = new DataView(new ArrayBuffer(BATCH * SOCKADDR));
  const vectors = new DataView(new ArrayBuffer(BATCH * IOVEC));
  const headerBytes = new Uint8Array(new ArrayBuffer(BATCH * MMSGHDR));
  const headers = new DataView(headerBytes.buffer);
  const [roomAt, namesAt, vectorsAt] = [
    room,
    new Uint8Array(names.buffer),
    new Uint8Array(vectors.buffer),
  ].map((memory) => koffi.address(memory)) as [bigint, bigint, bigint];
  for (let index = 0; index < BATCH; index++) {
    names.setUint16(index * SOCKADDR, AF_INET, true);
    vectors.setBigUint64(index * IOVEC, roomAt + BigInt(index * roomOfOne), true);
    vectors.setUint32(index * IOVEC + 8, roomOfOne, true);
    const header = index * MMSGHDR;
    headers.setBigUint64(header, namesAt + BigInt(index * SOCKADDR), true);
    headers.setUint32(header + NAME_LENGTH, SOCKADDR, true);
    headers.setBigUint64(header + VECTOR, vectorsAt + BigInt(index * IOVEC), true);
    headers.setUint32(header + VECTOR_COUNT, 1, true);
  }
  return { room, names, vectors, headerBytes, headers };
}
