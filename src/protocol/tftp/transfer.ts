import {
  backOff,
  createRoundTrip,
  isBackedOff,
  type RoundTrip,
  retransmitAfter,
  sampleRoundTrip,
  silenceAfter,
} from './round-trip.ts';

/**
 * Milliseconds without progress after which the client is given up. Repeated ACKs are no progress: behind a path that
 * drops large packets a client asks for the same block for ever. One that never answered may not even exist.
 */
const STALL = 30_000;
const NEVER_HEARD = 10_000;
/**
 * A source that never answered gets so many resends: its address may be forged, and what it asked of us would be sent to
 * somebody else. A real client whose answer was lost asks again by itself.
 */
const UNHEARD_RESENDS = 3;
/** Where only the last ACK is missing: so many resends, over at least so long, before it counts as lost. */
const LAST_RESENDS = 6;
const LAST_STALL = 10_000;
/**
 * A client that acknowledges every block of a window, or whose ACKs come in copies, must not make us send each window
 * for each of them. So going back is paid for by progress: in blocks per block acknowledged (enough for one loss in
 * twenty at a window of 64), and in windows to begin with and to save up.
 */
const EARNED = 4;
const FIRST_ALLOWANCE = 4;
const MOST_ALLOWANCE = 8;

/**
 * The sending side of one transfer, without a socket or clock: blocks count from 1 and do not wrap here. Mutable and
 * flat, since every packet of every transfer goes through it; only the functions below write to it.
 */
export interface Transfer {
  readonly fileSize: number;
  readonly blockSize: number;
  readonly windowSize: number;
  /** The number of the last block, the first that is not full (it may be empty). */
  readonly lastBlock: number;
  /** The OACK was sent and its ACK (of block 0) is still to come. */
  negotiating: boolean;
  /** The client acknowledged something. */
  heard: boolean;
  /** Highest block that is acknowledged, with all before it. */
  acknowledged: number;
  /** Highest block that was sent. Never more than a window beyond `acknowledged` (TFTP 8). */
  sent: number;
  /** Blocks (and OACKs) sent again. */
  resends: number;
  /** Timeouts since the last progress. */
  timeouts: number;
  startedAt: number;
  progressAt: number;
  /** When the window that is out was sent. */
  sentAt: number;
  /** When to call expireTransfer. */
  deadline: number;
  readonly roundTrip: RoundTrip;
  /** The window that is out was sent more than once: its ACK measures nothing (Karn). */
  resent: boolean;
  /** The first block to send at the step `data`; the last is `sent`. */
  sendFrom: number;
  /** Blocks that ACKs may still make us send again; the timer's resends are not counted. */
  allowance: number;
  /** A repeated ACK of `acknowledged` has been answered with a resend. */
  repeated: boolean;
  /** Repeated ACKs that our own resends can explain, until `excusedUntil`. */
  excused: number;
  excusedUntil: number;
}

export interface TransferOptions {
  /** Bytes. */
  readonly fileSize: number;
  readonly blockSize: number;
  readonly windowSize: number;
  /** Seconds; undefined if the client did not ask. */
  readonly timeout: number | undefined;
  /** Whether an OACK goes first. */
  readonly negotiating: boolean;
  /** Milliseconds, of a clock that does not jump. */
  readonly now: number;
}

/**
 * What to do after a packet or a timeout:
 * `oack`: send the OACK (again); `data`: send the blocks sendFrom … sent; `none`: nothing;
 * `finished`: the client has it all; `finished-unacknowledged`: all but the last window's ACK came (TFTP 3: a success);
 * `stalled`: the client is gone.
 */
export type TransferStep = 'none' | 'oack' | 'data' | 'finished' | 'finished-unacknowledged' | 'stalled';

/** The first packet to send is the OACK if `negotiating`, else the blocks 1 … sent. */
export function startTransfer(options: TransferOptions): Transfer {
  const lastBlock = Math.floor(options.fileSize / options.blockSize) + 1;
  const roundTrip = createRoundTrip(options.timeout);
  return {
    fileSize: options.fileSize,
    blockSize: options.blockSize,
    windowSize: options.windowSize,
    lastBlock,
    negotiating: options.negotiating,
    heard: false,
    acknowledged: 0,
    sent: options.negotiating ? 0 : Math.min(options.windowSize, lastBlock),
    resends: 0,
    timeouts: 0,
    startedAt: options.now,
    progressAt: options.now,
    sentAt: options.now,
    deadline: options.now + retransmitAfter(roundTrip),
    roundTrip,
    resent: false,
    sendFrom: 1,
    allowance: FIRST_ALLOWANCE * options.windowSize,
    repeated: false,
    excused: 0,
    excusedUntil: 0,
  };
}

/** Bytes of a block: full but for the last. */
export function blockLength(transfer: Transfer, block: number): number {
  return block < transfer.lastBlock ? transfer.blockSize : transfer.fileSize % transfer.blockSize;
}

/** The client acknowledged `wire`, the 16 bits of a block number. */
export function acknowledgeBlock(transfer: Transfer, wire: number, now: number): TransferStep {
  if (transfer.negotiating) {
    // Anything but the ACK of the OACK belongs to another time.
    if (wire !== 0) return 'none';
    transfer.negotiating = false;
    advance(transfer, 0, now);
    return 'data';
  }
  // TFTP 5: numbers wrap to 0 past 65535, so only the distance from what is acknowledged says which block is meant.
  const ahead = (wire - transfer.acknowledged) & 0xffff;
  if (ahead === 0) return repeatedAck(transfer, now);
  const block = transfer.acknowledged + ahead;
  // An ACK from before, or of what was never sent.
  if (block > transfer.sent) return 'none';
  if (block === transfer.lastBlock) {
    transfer.heard = true;
    transfer.acknowledged = block;
    return 'finished';
  }
  const alreadySent = transfer.sent;
  advance(transfer, block, now);
  // TFTP 8, RFC 7440: an ACK inside the window tells of a gap; go back to the block behind it.
  const again = alreadySent - block;
  if (again > 0 && !goBack(transfer, again, now)) transfer.sendFrom = alreadySent + 1;
  return transfer.sendFrom > transfer.sent ? 'none' : 'data';
}

/** `transfer.deadline` has passed. */
export function expireTransfer(transfer: Transfer, now: number): TransferStep {
  transfer.timeouts++;
  const stalled = now - transfer.progressAt;
  const lastWindow = transfer.heard && !transfer.negotiating && transfer.sent === transfer.lastBlock;
  if (lastWindow && transfer.timeouts > LAST_RESENDS && stalled >= LAST_STALL)
    return 'finished-unacknowledged';
  if (stalled >= (transfer.heard ? STALL : NEVER_HEARD)) return 'stalled';
  if (!transfer.heard && transfer.timeouts > UNHEARD_RESENDS) return 'stalled';
  // atftp says which block it has once, and again only when its own timer runs out; every packet of ours restarts that.
  // Where both its ACKs were lost, only a silence of ours gets the transfer on.
  const silence = isBackedOff(transfer.roundTrip) && transfer.timeouts % 2 === 0;
  backOff(transfer.roundTrip);
  transfer.resent = true;
  transfer.sentAt = now;
  transfer.deadline =
    now + (silence ? silenceAfter(transfer.roundTrip) : retransmitAfter(transfer.roundTrip));
  if (transfer.negotiating) {
    transfer.resends++;
    return 'oack';
  }
  transfer.sendFrom = transfer.acknowledged + 1;
  transfer.resends += transfer.sent - transfer.acknowledged;
  excuse(transfer, now);
  return 'data';
}

/** The client sent an ERROR. After the last block it may be its way of closing (code 5: its port is gone). */
export function errorEndsWell(transfer: Transfer, code: number): boolean {
  return code === 5 && transfer.heard && !transfer.negotiating && transfer.sent === transfer.lastBlock;
}

function advance(transfer: Transfer, block: number, now: number): void {
  if (!transfer.resent) sampleRoundTrip(transfer.roundTrip, now - transfer.sentAt);
  const earned = EARNED * (block - transfer.acknowledged);
  transfer.allowance = Math.min(transfer.allowance + earned, MOST_ALLOWANCE * transfer.windowSize);
  transfer.heard = true;
  transfer.progressAt = now;
  transfer.acknowledged = block;
  transfer.sendFrom = block + 1;
  transfer.sent = Math.min(block + transfer.windowSize, transfer.lastBlock);
  transfer.resent = false;
  transfer.repeated = false;
  transfer.timeouts = 0;
  transfer.sentAt = now;
  transfer.deadline = now + retransmitAfter(transfer.roundTrip);
}

/**
 * The ACK of what is acknowledged already. In lock step it never causes a resend, or each late packet doubles all
 * traffic to the end (TFTP 5: the sorcerer's apprentice, RFC 1123 4.2.3.1). With windows it tells that the window's
 * first block is lost (RFC 7440), unless a resend of ours has brought the client blocks that it had: EDK2 acknowledges
 * each of those. So a resend excuses as many repeated ACKs as it has blocks, and none is answered twice; what that
 * hides, the timer mends.
 */
function repeatedAck(transfer: Transfer, now: number): TransferStep {
  if (transfer.windowSize === 1 || transfer.repeated) return 'none';
  if (transfer.excused > 0 && now < transfer.excusedUntil) {
    transfer.excused--;
    return 'none';
  }
  const again = transfer.sent - transfer.acknowledged;
  if (!goBack(transfer, again, now)) return 'none';
  transfer.repeated = true;
  transfer.sendFrom = transfer.acknowledged + 1;
  transfer.sentAt = now;
  transfer.deadline = now + retransmitAfter(transfer.roundTrip);
  return 'data';
}

/** Whether `blocks` may be sent again because of an ACK. */
function goBack(transfer: Transfer, blocks: number, now: number): boolean {
  if (transfer.allowance < blocks) return false;
  transfer.allowance -= blocks;
  transfer.resends += blocks;
  transfer.resent = true;
  excuse(transfer, now);
  return true;
}

function excuse(transfer: Transfer, now: number): void {
  if (now >= transfer.excusedUntil) transfer.excused = 0;
  transfer.excused += transfer.windowSize;
  transfer.excusedUntil = now + 2 * retransmitAfter(transfer.roundTrip);
}
