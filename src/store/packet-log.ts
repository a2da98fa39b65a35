/**
 * Packets of one machine, the oldest first, in one piece of memory. An object for each would be moved by every garbage
 * collection for as long as it is kept, which in a storm costs more than answering.
 */
export interface PacketLog {
  room: Buffer;
  /** Where the oldest begins and the newest ends. */
  start: number;
  end: number;
  count: number;
}

/** What is kept beside the bytes. Numbers only: names are the recorder's. */
export interface PacketHead {
  readonly number: number;
  /** Microseconds since the epoch. */
  readonly at: number;
  /** Of the whole datagram, of which less may be kept. */
  readonly length: number;
  /** Of the whole datagram where less is kept, else zero. */
  readonly sum: number;
  readonly fromAddress: number;
  readonly fromPort: number;
  readonly toAddress: number;
  readonly toPort: number;
  readonly sent: boolean;
  /** The recorder's number for the interface. */
  readonly via: number;
}

/*
 *   number (8) | at (8) | sum (8) | length (4) | kept (4) | from (4 + 2) | to (4 + 2) | sent (2) | via (2) | payload
 */
const HEAD = 48;
const scratch = new DataView(new ArrayBuffer(HEAD));
const scratchBytes = new Uint8Array(scratch.buffer);

/** Packets of about the same size; of large ones, which no exchange of DHCP has, there may be only the one. */
const EXCHANGE = 4;
const MOST_AHEAD = 1536;

const NOTHING = Buffer.alloc(0);

export function newPacketLog(): PacketLog {
  return { room: NOTHING, start: 0, end: 0, count: 0 };
}

/** Copies the first `kept` bytes of the payload. */
export function appendPacket(log: PacketLog, head: PacketHead, payload: Uint8Array, kept: number): void {
  makeRoom(log, HEAD + kept);
  scratch.setFloat64(0, head.number);
  scratch.setFloat64(8, head.at);
  scratch.setFloat64(16, head.sum);
  scratch.setUint32(24, head.length);
  scratch.setUint32(28, kept);
  scratch.setUint32(32, head.fromAddress);
  scratch.setUint16(36, head.fromPort);
  scratch.setUint32(38, head.toAddress);
  scratch.setUint16(42, head.toPort);
  scratch.setUint16(44, head.sent ? 1 : 0);
  scratch.setUint16(46, head.via);
  log.room.set(scratchBytes, log.end);
  log.room.set(kept === payload.length ? payload : payload.subarray(0, kept), log.end + HEAD);
  log.end += HEAD + kept;
  log.count++;
}

/**
 * More than is needed, so that few packets move the others; one piece is enough for a machine's first exchange. The
 * recorder's bound counts what is in it: what is not may be no multiple of that.
 */
function makeRoom(log: PacketLog, needed: number): void {
  if (log.end + needed <= log.room.length) return;
  const used = log.end - log.start;
  const fits = (used + needed) * 4 <= log.room.length * 3;
  const first = Math.min(EXCHANGE * needed, needed + MOST_AHEAD);
  const size = used === 0 ? first : Math.ceil((used + needed) * 1.5);
  const room = fits ? log.room : Buffer.allocUnsafeSlow(size);
  log.room.copy(room, 0, log.start, log.end);
  log.room = room;
  log.start = 0;
  log.end = used;
}

/** Returns how many bytes of payload went; undefined: there was none. */
export function dropOldestPacket(log: PacketLog): number | undefined {
  if (log.count === 0) return undefined;
  const kept = log.room.readUInt32BE(log.start + 28);
  log.start += HEAD + kept;
  log.count--;
  return kept;
}

export function* readPackets(log: PacketLog): Iterable<PacketHead & { readonly payload: Uint8Array }> {
  for (let at = log.start; at < log.end; ) {
    const view = new DataView(log.room.buffer, log.room.byteOffset + at, HEAD);
    const kept = view.getUint32(28);
    const payload = new Uint8Array(log.room.subarray(at + HEAD, at + HEAD + kept));
    yield {
      number: view.getFloat64(0),
      at: view.getFloat64(8),
      sum: view.getFloat64(16),
      length: view.getUint32(24),
      fromAddress: view.getUint32(32),
      fromPort: view.getUint16(36),
      toAddress: view.getUint32(38),
      toPort: view.getUint16(42),
      sent: view.getUint16(44) === 1,
      via: view.getUint16(46),
      payload,
    };
    at += HEAD + kept;
  }
}
