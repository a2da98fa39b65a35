import {
  acknowledgeBlock,
  blockLength,
  errorEndsWell,
  expireTransfer,
  startTransfer,
  type Transfer,
  type TransferStep,
} from '../../../src/protocol/tftp/transfer.ts';
import { replaceBytes } from '../engine/mutate-bytes.ts';
import type { Random } from '../engine/random.ts';
import { Broken, type FuzzTarget, hold } from '../engine/target.ts';

const BLOCK_SIZES = [8, 512, 1428, 1468];
const WINDOWS = [1, 2, 4, 16, 64];
const TIMEOUTS = [undefined, 1, 3, 255];
const HEADER = 4;
const OPERATION = 3;

/**
 * Four bytes: how large a file, its block size, window and timeout, whether options are negotiated. Then three for each
 * thing that happens: what, and a number.
 */
const ACK_OF_LAST_SENT = 0;
const ACK_BEHIND = 1;
const ACK_AHEAD = 2;
const ACK_ANY = 3;
const WAIT = 4;
const TIMER = 5;
const REPEAT = 6;
const ERROR = 7;

const operation = (random: Random): Uint8Array =>
  Uint8Array.of(
    random.below(8),
    random.oneIn(2) ? 0 : random.below(256),
    random.oneIn(3) ? random.below(256) : random.below(4),
  );

const at = (input: Uint8Array, random: Random): number =>
  Math.min(
    input.length,
    HEADER + OPERATION * random.below(1 + Math.max(0, Math.floor((input.length - HEADER) / OPERATION))),
  );

export const target: FuzzTarget = {
  what: 'the sending side of a TFTP transfer under any sequence of ACKs, repeats, pauses and errors',
  aims: ['protocol/tftp/transfer.ts', 'protocol/tftp/round-trip.ts'],
  maxLength: HEADER + OPERATION * 200,
  seeds: () => [
    Uint8Array.of(3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    Uint8Array.of(
      200,
      0,
      3,
      1,
      ACK_AHEAD,
      0,
      0,
      ...Array.from({ length: 30 }, (_, index) => [index % 3 === 0 ? ACK_BEHIND : 0, 0, 1]).flat(),
    ),
    Uint8Array.of(255, 0, 4, 3, ...Array.from({ length: 40 }, () => [TIMER, 0, 0]).flat()),
    Uint8Array.of(90, 2, 2, 3, ACK_AHEAD, 0, 0, ...Array.from({ length: 40 }, () => [REPEAT, 0, 0]).flat()),
  ],
  mutators: [
    (input, random) => replaceBytes(input, at(input, random), at(input, random), operation(random)).slice(),
    (input, random) => {
      const start = at(input, random);
      return replaceBytes(input, start, start, operation(random));
    },
    (input, random) => {
      const start = at(input, random);
      return replaceBytes(input, start, Math.min(input.length, start + OPERATION), operation(random));
    },
    (input, random) => {
      const start = at(input, random);
      return replaceBytes(
        input,
        start,
        Math.min(input.length, start + OPERATION * (1 + random.below(4))),
        new Uint8Array(0),
      );
    },
    (input, random) => {
      const start = at(input, random);
      const piece = input.subarray(start, start + OPERATION * (1 + random.below(6)));
      return replaceBytes(
        input,
        start,
        start,
        Uint8Array.from(Array.from({ length: 1 + random.below(5) }, () => [...piece]).flat()),
      );
    },
    (input, random) => {
      const place = random.below(HEADER);
      return replaceBytes(
        input,
        Math.min(place, input.length),
        Math.min(place + 1, input.length),
        Uint8Array.of(random.below(256)),
      );
    },
  ],
  dictionary: [],
  run: (input) => new Wire(input).run(),
};

/** Counts what the transfer sends, and holds each step to what it may do. */
class Wire {
  private now = 1_000;
  private readonly transfer: Transfer;
  private readonly input: Uint8Array;
  /** Blocks sent in all, and the blocks that its first window and each ACK's progress entitle to. */
  private blocks = 0;
  private oacks = 0;
  private timers = 0;
  private timerBlocks = 0;
  private over = false;

  constructor(input: Uint8Array) {
    this.input = input;
    const [size = 0, block = 0, window = 0, options = 0] = input;
    const negotiating = (options & 1) === 1;
    // What differs from RFC 1350 was negotiated.
    const blockSize = (negotiating ? BLOCK_SIZES[block % BLOCK_SIZES.length] : undefined) ?? 512;
    this.transfer = startTransfer({
      // Around the ends of blocks, and with more than 65535 of them.
      fileSize:
        size > 250 ? 70_000 * blockSize + size : Math.max(0, (size >> 2) * blockSize + (size & 3) - 1),
      blockSize,
      windowSize: (negotiating ? WINDOWS[window % WINDOWS.length] : undefined) ?? 1,
      timeout: negotiating ? TIMEOUTS[(options >> 1) % TIMEOUTS.length] : undefined,
      negotiating,
      now: this.now,
    });
  }

  run(): void {
    const { transfer, input } = this;
    this.did(transfer.negotiating ? 'oack' : 'data');
    for (let at = HEADER; at + 2 < input.length && !this.over; at += OPERATION) {
      this.happens((input[at] ?? 0) & 7, ((input[at + 1] ?? 0) << 8) | (input[at + 2] ?? 0));
    }
    // Nothing comes any more: it has to end by itself.
    for (let rounds = 0; !this.over; rounds++) {
      hold(rounds < 100, 'it does not give up');
      this.expire();
    }
  }

  private happens(what: number, number: number): void {
    const { transfer } = this;
    switch (what) {
      case ACK_OF_LAST_SENT:
        return this.acknowledge(transfer.sent, 1);
      case ACK_BEHIND:
        return this.acknowledge(transfer.sent - number, 1);
      case ACK_AHEAD:
        return this.acknowledge(transfer.acknowledged + number, 1);
      case ACK_ANY:
        return this.acknowledge(number, 0);
      case WAIT:
        this.now += number;
        return;
      case TIMER:
        return this.expire();
      case REPEAT:
        return this.acknowledge(transfer.acknowledged, 0);
      case ERROR:
        hold(
          !errorEndsWell(transfer, number & 15) || (transfer.heard && transfer.sent === transfer.lastBlock),
          'an error in the middle is taken for the end',
        );
        return;
      default:
        throw new Broken(`nothing is called ${what}`);
    }
  }

  private acknowledge(block: number, delay: number): void {
    this.now += delay;
    const { transfer } = this;
    const { acknowledged, sent, negotiating, resends } = transfer;
    const step = acknowledgeBlock(transfer, block & 0xffff, this.now);
    hold(transfer.acknowledged >= acknowledged, 'what was acknowledged is not any more');
    hold(transfer.acknowledged <= sent, 'what was never sent is acknowledged');
    hold(
      step !== 'finished' || transfer.acknowledged === transfer.lastBlock,
      'it is finished without its last block',
    );
    hold(
      step !== 'stalled' && step !== 'finished-unacknowledged' && step !== 'oack',
      () => `an ACK made it ${step}`,
    );
    if (negotiating && (block & 0xffff) !== 0)
      hold(step === 'none', 'an ACK of a block ended the negotiation');
    // Going back is paid for by progress (RFC 1123 4.2.3.1: no sorcerer's apprentice).
    const again = transfer.resends - resends;
    hold(again <= transfer.windowSize, 'an ACK made it send more than a window again');
    if (transfer.windowSize === 1 && !negotiating)
      hold(again === 0, 'in lock step an ACK made it send a block again');
    this.did(step);
  }

  private expire(): void {
    const { transfer } = this;
    hold(Number.isFinite(transfer.deadline), 'it has no deadline');
    this.now = Math.max(this.now, transfer.deadline);
    const { acknowledged, sent } = transfer;
    const step = expireTransfer(transfer, this.now);
    hold(transfer.acknowledged === acknowledged && transfer.sent === sent, 'time alone moved the window');
    if (step === 'data' || step === 'oack')
      hold(transfer.deadline > this.now, 'the next deadline has passed already');
    hold(step !== 'none' && step !== 'finished', () => `a timer made it ${step}`);
    if (step === 'finished-unacknowledged')
      hold(transfer.heard && transfer.sent === transfer.lastBlock, 'it calls a part a success');
    this.timers++;
    if (step === 'data') this.timerBlocks += transfer.sent - transfer.sendFrom + 1;
    this.did(step);
  }

  private did(step: TransferStep): void {
    const { transfer } = this;
    const { sent, acknowledged, windowSize, lastBlock } = transfer;
    hold(sent - acknowledged <= windowSize, 'more than a window is out');
    hold(sent <= lastBlock, 'a block behind the last was sent');
    if (step === 'oack') this.oacks++;
    if (step === 'data') {
      hold(
        transfer.sendFrom > acknowledged && transfer.sendFrom <= sent,
        'it sends what it has no reason to',
      );
      for (const block of [transfer.sendFrom, sent]) {
        const length = blockLength(transfer, block);
        hold(length >= 0 && length <= transfer.blockSize, 'a block has no such length');
        hold(
          length < transfer.blockSize === (block === lastBlock),
          'a block that is not full is not the last',
        );
      }
      this.blocks += sent - transfer.sendFrom + 1;
    }
    // A source that was never heard may be forged: three resends, no more (docs/security.md).
    if (!transfer.heard)
      hold(this.blocks <= 4 * windowSize && this.oacks <= 4, 'much was sent to who never answered');
    // First sends, what ACKs may ask for again, and what timers sent.
    const allowed = sent + 4 * windowSize + 4 * acknowledged + this.timerBlocks;
    hold(this.blocks <= allowed, () => `${this.blocks} blocks were sent where ${allowed} may be`);
    this.over = step === 'finished' || step === 'finished-unacknowledged' || step === 'stalled';
  }
}
