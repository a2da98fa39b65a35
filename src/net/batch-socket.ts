import type { RemoteInfo, Socket } from 'node:dgram';
import { formatIpv4, type Ipv4, parseIpv4 } from '../machine/ipv4.ts';
import { errnoError, loadLibc } from './libc.ts';
import { BATCH, type DatagramBatch } from './libc-batches.ts';
import { descriptorOf } from './open-udp-socket.ts';
import type { DatagramSocket, SendFailed } from './port.ts';

/** Datagrams that are taken beside Node in one turn of its loop: answers of other threads must have theirs. */
const MOST_A_TURN = 256;
/** Bytes that datagrams are copied to one after the other. One of them keeps all of it alive. */
const SLAB = 16_384;

type Listener = (bytes: Buffer, source: RemoteInfo) => void;

/**
 * The same socket, which receives and sends in batches: Node tells of the first datagram that waits, the others are taken
 * by one call of the kernel, and what is answered meanwhile leaves by one call. Node itself takes a call, a buffer of
 * 64 KiB and an object for each datagram either way. The socket as it is where its descriptor is not known, or the C library
 * cannot be called.
 *
 * What goes to one receiver at a port that `joins` leaves as one, and is taken apart where the kernel hands it over. Not to
 * who listens to the device itself, as most DHCP clients do: on the same host (a container) they would see it in one piece.
 */
export function inBatches(socket: DatagramSocket, joins: Joins = () => false): DatagramSocket {
  const fd = descriptorOf(socket as Socket);
  const batch = fd === undefined ? undefined : openBatch(fd);
  return fd === undefined || batch === undefined ? socket : wrap(socket, fd, batch, joins);
}

function openBatch(fd: number): DatagramBatch | undefined {
  try {
    return loadLibc().batchOf(fd);
  } catch {
    return undefined;
  }
}

/** Undefined where the kernel does not say. */
function droppedBy(fd: number): number | undefined {
  try {
    return loadLibc().droppedDatagrams(fd);
  } catch {
    return undefined;
  }
}

/** Whether who listens at a port takes datagrams by a socket of the kernel. */
type Joins = (port: number) => boolean;

interface Waiting {
  readonly failed: SendFailed;
  readonly sent?: () => void;
}

function wrap(socket: DatagramSocket, fd: number, batch: DatagramBatch, joins: Joins): DatagramSocket {
  const listeners = new Map<Listener, Listener>();
  /** Of each datagram that waits; `sent` of those alone that want to know. */
  const waiting: Waiting[] = [];
  const copy = createSlab();
  /** `taken`: in this turn of the loop. */
  const state = { taken: 0, receiving: false, flushes: false, closed: false };
  let dropped = droppedBy(fd);
  let newest: RemoteInfo = { address: '', family: 'IPv4', port: 0, size: 0 };
  let sourceAddress: Ipv4 | undefined;

  function sourceOf(index: number, size: number): RemoteInfo {
    const address = batch.addressAt(index);
    const port = batch.portAt(index);
    // A relay agent speaks for a whole rack.
    if (address === sourceAddress && port === newest.port && size === newest.size) return newest;
    const text = address === sourceAddress ? newest.address : formatIpv4(address);
    sourceAddress = address;
    newest = { address: text, family: 'IPv4', port, size };
    return newest;
  }

  /** What else waits, until nothing does. */
  function drain(listener: Listener): void {
    while (state.taken < MOST_A_TURN && !state.closed) {
      const count = batch.receive();
      if (count === 0) return;
      if (state.taken === 0) setImmediate(() => (state.taken = 0));
      state.taken += count;
      for (let index = 0; index < count && !state.closed; index++) {
        const bytes = copy(batch.bytesAt(index));
        listener(bytes, sourceOf(index, bytes.length));
      }
      flush();
      if (count < BATCH) return;
    }
  }

  function flush(): void {
    if (waiting.length === 0) return;
    const sending = waiting.splice(0);
    if (state.closed) return;
    let refused: Set<number> | undefined;
    batch.flush((index, errno) => {
      refused ??= new Set();
      refused.add(index);
      fail(index, errno, sending[index] as Waiting);
    });
    for (let index = 0; index < sending.length; index++)
      if (refused?.has(index) !== true) sending[index]?.sent?.();
  }

  function fail(index: number, errno: number, told: Waiting): void {
    const { bytes, address, port } = batch.putAt(index);
    // Node waits for room.
    if (errno === EAGAIN) sendAlone(bytes, port, address, told);
    else told.failed(errnoError('sendmmsg', errno), address, port);
  }

  function sendAlone(bytes: Uint8Array, port: number, address: Ipv4, { failed, sent }: Waiting): void {
    socket.send(bytes, port, formatIpv4(address), (error) => {
      if (error) failed(error, address, port);
      else sent?.();
    });
  }

  function put(bytes: Uint8Array, port: number, address: Ipv4, told: Waiting): void {
    if (waiting.length === BATCH) flush();
    if (!batch.put(bytes, address, port, joins(port))) return sendAlone(bytes.slice(), port, address, told);
    waiting.push(told);
    flushSoon();
  }

  function flushSoon(): void {
    if (state.receiving || state.flushes) return;
    state.flushes = true;
    // After the promises that are settled already: all who wait for the same commit are answered by one call.
    process.nextTick(() => {
      state.flushes = false;
      flush();
    });
  }

  return {
    on(event: 'message' | 'error', listener: Listener | ((error: Error) => void)) {
      if (event === 'error') return socket.on(event, listener as (error: Error) => void);
      const hears = listener as Listener;
      const own: Listener = (bytes, source) => {
        state.receiving = true;
        try {
          hears(bytes, source);
          drain(hears);
        } finally {
          state.receiving = false;
          flush();
        }
      };
      listeners.set(hears, own);
      return socket.on(event, own);
    },
    off(event, listener) {
      const own = listeners.get(listener);
      listeners.delete(listener);
      return socket.off(event, own ?? listener);
    },
    send(bytes, port, address, sent) {
      const to = parseIpv4(address);
      // Node says what is wrong with one that is closed.
      if (to === undefined || state.closed) return socket.send(bytes, port, address, sent);
      return put(bytes, port, to, { failed: (error) => sent(error), sent: () => sent(null) });
    },
    put: (bytes, port, address, failed) => put(bytes, port, address, { failed }),
    ...(dropped === undefined
      ? {}
      : {
          dropped() {
            if (!state.closed) dropped = droppedBy(fd) ?? dropped;
            return dropped ?? 0;
          },
        }),
    close(done) {
      flush();
      // The number of its descriptor may be another's from now on.
      state.closed = true;
      return socket.close(done);
    },
  };
}

/** EWOULDBLOCK is the same number on Linux. */
const EAGAIN = 11;

/** Copies datagrams out of the kernel's slots, several to a piece of memory: a piece for each is what costs. */
function createSlab(): (bytes: Uint8Array) => Buffer {
  let slab = new ArrayBuffer(SLAB);
  let used = 0;
  return (bytes) => {
    const { length } = bytes;
    if (length > SLAB) return Buffer.from(bytes);
    if (used + length > SLAB) {
      slab = new ArrayBuffer(SLAB);
      used = 0;
    }
    const copied = Buffer.from(slab, used, length);
    copied.set(bytes);
    used += length;
    return copied;
  };
}
