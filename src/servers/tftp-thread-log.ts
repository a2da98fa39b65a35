import type { TransferEnd } from './tftp-endings.ts';

/** Of strangers' packets in one message; those beyond are counted as ignored. */
const MOST_STRAYS = 64;
/**
 * Packets that the main thread was told of and has not looked at yet. A kernel's buffer has an end, and this way had none:
 * clients that send without one would fill the memory. Two thousand machines at once are five each.
 */
const MOST_UNHEARD = 16_384;
/** Strangers' among them: the first to be left out. */
const MOST_UNHEARD_STRAYS = 1024;

/** What `entries` tells of a slot, by three numbers each: the slot, one of these, and a block or an index. */
export const LOGGED = {
  ack: 0,
  block: 1,
  answer: 2,
  packet: 3,
  finished: 4,
  unacknowledged: 5,
  ended: 6,
  given: 7,
} as const;

/** Somebody wrote to a port that no transfer of theirs is on. */
export interface Stray {
  readonly fd: number;
  readonly address: number;
  readonly port: number;
  readonly packet: Uint8Array;
}

/** What the thread says, in one message for many packets. The numbers are in the order in which things happened. */
export interface ThreadReports {
  readonly entries: readonly number[];
  /** Of `packet` and `ended`, by their index. */
  readonly packets: readonly Uint8Array[];
  readonly ends: readonly TransferEnd[];
  readonly strays: readonly Stray[];
  /** Descriptors of which nothing is used any more. */
  readonly closed: readonly number[];
  readonly ignored: number;
  /** How many packets it tells of. */
  readonly told: number;
  /** Codes of errors, and how often: bounded by the errors there are. */
  readonly failed: ReadonlyMap<string, number>;
}

function fresh() {
  return {
    entries: [] as number[],
    packets: [] as Uint8Array[],
    ends: [] as TransferEnd[],
    strays: [] as Stray[],
    closed: [] as number[],
    ignored: 0,
    told: 0,
    failed: new Map<string, number>(),
  };
}

/** `unheard`: packets of reports that were taken from here, and not looked at yet. */
export function createThreadLog(unheard: () => number) {
  let kept = fresh();
  let isEmpty = true;
  const enter = (slot: number, what: number, value: number): void => {
    isEmpty = false;
    kept.entries.push(slot, what, value);
  };
  /** What is seen of packets is for the recorder: beyond the bound it sees less, and the transfers go on all the same. */
  const mayTell = (most: number): boolean => {
    if (unheard() + kept.told >= most) return false;
    kept.told++;
    return true;
  };
  const see = (slot: number, what: number, value: number): void => {
    if (mayTell(MOST_UNHEARD)) enter(slot, what, value);
  };
  return {
    isEmpty: () => isEmpty,
    take(): ThreadReports {
      const taken = kept;
      kept = fresh();
      isEmpty = true;
      return taken;
    },
    sawAck: (slot: number, block: number) => see(slot, LOGGED.ack, block),
    sawBlock: (slot: number, block: number) => see(slot, LOGGED.block, block),
    sawAnswer: (slot: number) => see(slot, LOGGED.answer, 0),
    sawOther(slot: number, packet: Uint8Array) {
      if (mayTell(MOST_UNHEARD)) enter(slot, LOGGED.packet, kept.packets.push(packet) - 1);
    },
    /** `undefined`: the main thread ended it. */
    ended(slot: number, end: TransferEnd | undefined) {
      if (end === undefined) enter(slot, LOGGED.given, 0);
      else if (end.kind !== 'finished') enter(slot, LOGGED.ended, kept.ends.push(end) - 1);
      else enter(slot, end.acknowledged ? LOGGED.finished : LOGGED.unacknowledged, 0);
    },
    stray(fd: number, address: number, port: number, packet: Uint8Array) {
      isEmpty = false;
      if (kept.strays.length < MOST_STRAYS && mayTell(MOST_UNHEARD_STRAYS))
        kept.strays.push({ fd, address, port, packet });
      else kept.ignored++;
    },
    closed(fd: number) {
      isEmpty = false;
      kept.closed.push(fd);
    },
    ignored() {
      isEmpty = false;
      kept.ignored++;
    },
    failed(code: string) {
      isEmpty = false;
      kept.failed.set(code, (kept.failed.get(code) ?? 0) + 1);
    },
  };
}
