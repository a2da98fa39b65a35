import type * as Koffi from 'koffi';
import type { Ipv4 } from '../machine/ipv4.ts';
import {
  AF_INET,
  CMSG,
  CMSG_DATA,
  CMSG_USED,
  CONTROL,
  CONTROL_LENGTH,
  hasKnownLayout,
  IOVEC,
  LENGTH,
  MMSGHDR,
  MSG_DONTWAIT,
  NAME_LENGTH,
  SOCKADDR,
  SOL_UDP,
  UDP_SEGMENT,
  VECTOR,
  VECTOR_COUNT,
} from './kernel-layout.ts';

/** Several datagrams by one call of the kernel, each way. Holds its memory as long as it is referred to. */
export interface DatagramBatch {
  /** Takes what waits, as much as there is room for; how many datagrams that were. Zero also where it failed. */
  receive(): number;
  /** Of the last `receive`: views that the next one overwrites. */
  bytesAt(index: number): Uint8Array;
  addressAt(index: number): Ipv4;
  portAt(index: number): number;
  /**
   * Copies a datagram to what is to be sent; false: there is no room. `joins`: it may leave as one with its neighbours of
   * the same receiver and length, which the network's end takes apart again.
   */
  put(bytes: Uint8Array, address: Ipv4, port: number, joins: boolean): boolean;
  /**
   * Sends what was put; `failed` is called with the place of each that the kernel refused, and with the errno. Where it
   * would have to wait for room, that is for the rest.
   */
  flush(failed: (index: number, errno: number) => void): void;
  /** What was put at a place of the last `flush`, until the next `put`. */
  putAt(index: number): { readonly bytes: Uint8Array; readonly address: Ipv4; readonly port: number };
}

export interface BatchCalls {
  /** Undefined: the memory's layout is not known for this processor. */
  readonly batchOf: (fd: number) => DatagramBatch | undefined;
}

/** Datagrams of one call. A rack that powers on comes in tens, and each slot costs a page of memory once it was used. */
export const BATCH = 64;
/** The largest datagram there is. Memory that is never touched costs nothing. */
const RECEIVE_ROOM = 65_536;
/** A reply's; what is larger goes alone. */
const SEND_ROOM = 2_048;

/*
 * UDP_SEGMENT (udp(7)): the kernel carries datagrams of one length through its network as one, and cuts them apart where
 * it hands them to the card, or to a socket of the same host. Of what a reply costs here, that is most.
 */
/** Bytes of a datagram that joins others: what fits a frame of Ethernet. The kernel refuses what does not fit the path. */
const MOST_SEGMENT = 1472;
/** Bytes of one message: what an IP packet can say, without its headers. */
const MOST_BYTES = 65_000;
/** EINVAL, EIO, EMSGSIZE, ENOPROTOOPT, EOPNOTSUPP: a kernel or a path that does not segment. */
const NO_SEGMENTS: ReadonlySet<number> = new Set([22, 5, 90, 92, 95]);

type KoffiModule = Pick<typeof Koffi, 'address' | 'errno'>;

export function bindBatchCalls(koffi: KoffiModule, library: Koffi.LibraryHandle): BatchCalls {
  const recvmmsg = library.func('int recvmmsg(int fd, void *headers, uint count, int flags, void *timeout)');
  const sendmmsg = library.func('int sendmmsg(int fd, void *headers, uint count, int flags)');
  const isKnown = hasKnownLayout();

  return {
    batchOf(fd) {
      if (!isKnown) return undefined;
      const into = layOut(koffi, RECEIVE_ROOM);
      const out = layOut(koffi, SEND_ROOM);
      let received = 0;
      let waiting = 0;
      let segments = true;
      const lengths = new Uint16Array(BATCH);
      const joining = new Uint8Array(BATCH);
      /** Of each message: its first datagram. */
      const firsts = new Uint8Array(BATCH + 1);

      /** The datagrams from `from` on as messages; how many those are. */
      function formMessages(from: number): number {
        let count = 0;
        for (let at = from; at < waiting; count++) {
          firsts[count] = at;
          const next = segments ? endOfRun(at) : at + 1;
          out.point(count, at, next - at, lengths[at] as number);
          at = next;
        }
        firsts[count] = waiting;
        return count;
      }

      function endOfRun(first: number): number {
        const length = lengths[first] as number;
        let next = first + 1;
        if (joining[first] === 0 || length === 0 || length > MOST_SEGMENT) return next;
        const most = Math.min(waiting, first + Math.floor(MOST_BYTES / length));
        while (next < most && joining[next] === 1 && lengths[next] === length && out.isSameName(first, next))
          next++;
        return next;
      }
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
        put(bytes, address, port, joins) {
          if (waiting === BATCH || bytes.length > SEND_ROOM) return false;
          out.room.set(bytes, waiting * SEND_ROOM);
          out.vectors.setUint32(waiting * IOVEC + 8, bytes.length, true);
          out.names.setUint16(waiting * SOCKADDR + 2, port);
          out.names.setUint32(waiting * SOCKADDR + 4, address);
          lengths[waiting] = bytes.length;
          joining[waiting] = joins ? 1 : 0;
          waiting++;
          return true;
        },
        flush(failed) {
          let count = formMessages(0);
          for (let at = 0; at < count; ) {
            const left = at === 0 ? out.headerBytes : out.headerBytes.subarray(at * MMSGHDR);
            const sent = sendmmsg(fd, left, count - at, MSG_DONTWAIT) as number;
            if (sent > 0) {
              at += sent;
              continue;
            }
            const errno = koffi.errno();
            const first = firsts[at] as number;
            if ((firsts[at + 1] as number) - first > 1 && NO_SEGMENTS.has(errno)) {
              segments = false;
              count = formMessages(first);
              at = 0;
              continue;
            }
            // An error is of the first that is left: the others are tried all the same.
            for (let one = first; one < (firsts[at + 1] as number); one++) failed(one, errno);
            at++;
          }
          waiting = 0;
        },
        putAt: (index) => ({
          bytes: out.room.slice(index * SEND_ROOM, index * SEND_ROOM + (lengths[index] as number)),
          address: out.names.getUint32(index * SOCKADDR + 4) as Ipv4,
          port: out.names.getUint16(index * SOCKADDR + 2),
        }),
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
  const addressOf = (memory: Uint8Array): number => Number(koffi.address(memory));
  const roomAt = addressOf(room);
  const namesAt = addressOf(new Uint8Array(names.buffer));
  const vectorsAt = addressOf(new Uint8Array(vectors.buffer));
  const controls = new DataView(new ArrayBuffer(BATCH * CMSG));
  const controlsAt = addressOf(new Uint8Array(controls.buffer));
  for (let index = 0; index < BATCH; index++) {
    names.setUint16(index * SOCKADDR, AF_INET, true);
    setPointer(vectors, index * IOVEC, roomAt + index * roomOfOne);
    vectors.setUint32(index * IOVEC + 8, roomOfOne, true);
    headers.setUint32(index * MMSGHDR + NAME_LENGTH, SOCKADDR, true);
    controls.setUint32(index * CMSG, CMSG_USED, true);
    controls.setUint32(index * CMSG + 8, SOL_UDP, true);
    controls.setUint32(index * CMSG + 12, UDP_SEGMENT, true);
    point(index, index, 1, 0);
  }

  /** Makes a message of so many datagrams from `first` on, all of one length but the last. */
  function point(message: number, first: number, count: number, length: number): void {
    const header = message * MMSGHDR;
    setPointer(headers, header, namesAt + first * SOCKADDR);
    setPointer(headers, header + VECTOR, vectorsAt + first * IOVEC);
    headers.setUint32(header + VECTOR_COUNT, count, true);
    setPointer(headers, header + CONTROL, count > 1 ? controlsAt + message * CMSG : 0);
    headers.setUint32(header + CONTROL_LENGTH, count > 1 ? CMSG : 0, true);
    if (count > 1) controls.setUint16(message * CMSG + CMSG_DATA, length, true);
  }

  const isSameName = (one: number, other: number): boolean =>
    names.getUint32(one * SOCKADDR + 4) === names.getUint32(other * SOCKADDR + 4) &&
    names.getUint16(one * SOCKADDR + 2) === names.getUint16(other * SOCKADDR + 2);

  return { room, names, vectors, headerBytes, headers, point, isSameName };
}

/** Addresses have 48 bits, 57 at most with five levels of pages, and user space has the lower half. */
function setPointer(view: DataView, at: number, pointer: number): void {
  view.setUint32(at, pointer % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(pointer / 2 ** 32), true);
}
