/**
 * Packets of one machine, the oldest first, in blocks of memory that all machines share. An object or a piece of memory
 * for each packet, or each machine, would be the garbage collector's for as long as it is kept: in a storm that costs more
 * than answering.
 */
export interface PacketLog {
  /** Of the oldest packet and the newest: blocks, chained in this order. */
  first: number;
  last: number;
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

/** The blocks that logs are made of. A log belongs to the store that it was appended in. */
export interface PacketStore {
  /** Copies the first `kept` bytes of the payload. */
  append(log: PacketLog, head: PacketHead, payload: Uint8Array, kept: number): void;
  /** Returns how many bytes of payload went; undefined: there was none. */
  dropOldest(log: PacketLog): number | undefined;
  read(log: PacketLog): Iterable<PacketHead & { readonly payload: Uint8Array }>;
  /** Bytes that were taken for blocks, in use or not. */
  size(): number;
}

/*
 *   number (8) | at (8) | sum (8) | length (4) | kept (4) | from (4 + 2) | to (4 + 2) | sent (2) | via (2) | payload
 */
const HEAD = 48;
/** A packet of DHCP with its head: 300 bytes are the fewest, and the most frequent. What is longer takes several. */
const BLOCK = 384;
/** Of a slab; a power of two. */
const BLOCKS = 256;
const SLAB = BLOCKS * BLOCK;
const NONE = -1;

export function newPacketLog(): PacketLog {
  return { first: NONE, last: NONE, count: 0 };
}

/** Of a block in its slab. */
function placeOf(block: number): number {
  return (block % BLOCKS) * BLOCK;
}

export function createPacketStore(): PacketStore {
  const slabs: Buffer[] = [];
  const views: DataView[] = [];
  let next = new Int32Array(0);
  let free = NONE;

  function take(): number {
    if (free === NONE) grow();
    const block = free;
    free = next[block] as number;
    next[block] = NONE;
    return block;
  }

  function grow(): void {
    const from = slabs.length * BLOCKS;
    const slab = Buffer.allocUnsafeSlow(SLAB);
    slabs.push(slab);
    views.push(new DataView(slab.buffer, slab.byteOffset, SLAB));
    if (next.length < from + BLOCKS) {
      const longer = new Int32Array(Math.max(from + BLOCKS, next.length * 2));
      longer.set(next);
      next = longer;
    }
    for (let block = from + BLOCKS - 1; block >= from; block--) {
      next[block] = free;
      free = block;
    }
  }

  const slabOf = (block: number): Buffer => slabs[Math.floor(block / BLOCKS)] as Buffer;
  const viewOf = (block: number): DataView => views[Math.floor(block / BLOCKS)] as DataView;

  function chain(log: PacketLog, block: number): void {
    if (log.last === NONE) log.first = block;
    else next[log.last] = block;
    log.last = block;
  }

  return {
    append(log, head, payload, kept) {
      let block = take();
      const view = viewOf(block);
      const place = placeOf(block);
      view.setFloat64(place, head.number);
      view.setFloat64(place + 8, head.at);
      view.setFloat64(place + 16, head.sum);
      view.setUint32(place + 24, head.length);
      view.setUint32(place + 28, kept);
      view.setUint32(place + 32, head.fromAddress);
      view.setUint16(place + 36, head.fromPort);
      view.setUint32(place + 38, head.toAddress);
      view.setUint16(place + 42, head.toPort);
      view.setUint16(place + 44, head.sent ? 1 : 0);
      view.setUint16(place + 46, head.via);
      chain(log, block);
      log.count++;
      let at = Math.min(kept, BLOCK - HEAD);
      slabOf(block).set(at === payload.length ? payload : payload.subarray(0, at), place + HEAD);
      while (at < kept) {
        const end = Math.min(kept, at + BLOCK);
        block = take();
        slabOf(block).set(payload.subarray(at, end), placeOf(block));
        chain(log, block);
        at = end;
      }
    },

    dropOldest(log) {
      if (log.count === 0) return undefined;
      const first = log.first;
      const kept = viewOf(first).getUint32(placeOf(first) + 28);
      let end = first;
      for (let at = BLOCK - HEAD; at < kept; at += BLOCK) end = next[end] as number;
      log.first = next[end] as number;
      if (log.first === NONE) log.last = NONE;
      next[end] = free;
      free = first;
      log.count--;
      return kept;
    },

    *read(log) {
      for (let block = log.first; block !== NONE; block = next[block] as number) {
        const view = viewOf(block);
        const place = placeOf(block);
        const kept = view.getUint32(place + 28);
        const payload = new Uint8Array(kept);
        const head = {
          number: view.getFloat64(place),
          at: view.getFloat64(place + 8),
          sum: view.getFloat64(place + 16),
          length: view.getUint32(place + 24),
          fromAddress: view.getUint32(place + 32),
          fromPort: view.getUint16(place + 36),
          toAddress: view.getUint32(place + 38),
          toPort: view.getUint16(place + 42),
          sent: view.getUint16(place + 44) === 1,
          via: view.getUint16(place + 46),
          payload,
        };
        let at = Math.min(kept, BLOCK - HEAD);
        payload.set(slabOf(block).subarray(place + HEAD, place + HEAD + at));
        while (at < kept) {
          block = next[block] as number;
          const end = Math.min(kept, at + BLOCK);
          payload.set(slabOf(block).subarray(placeOf(block), placeOf(block) + end - at), at);
          at = end;
        }
        yield head;
      }
    },

    size: () => slabs.length * SLAB,
  };
}
