import {
  acknowledgeBlock,
  expireTransfer,
  startTransfer,
  type Transfer,
  type TransferOptions,
  type TransferStep,
} from '../../../../src/protocol/tftp/transfer.ts';

export interface LinkOptions extends Omit<TransferOptions, 'now'> {
  /** Milliseconds, one way. */
  readonly delay: number;
  /** Whether the nth packet of its direction is lost; from 1. */
  readonly loses: (direction: 'down' | 'up', nth: number) => boolean;
  /** EDK2 acknowledges each packet that it does not expect; others once a gap, and once each time they are sent what they have. */
  readonly client: 'quiet' | 'edk2';
  /** Milliseconds of silence after which the client repeats its last ACK; endless for one that never does. */
  readonly clientTimeout: number;
  /** How often each packet of the client's arrives; 1. */
  readonly copies?: number;
}

export interface LinkResult {
  readonly transfer: Transfer;
  readonly step: TransferStep;
  /** The client has every block, in order. */
  readonly complete: boolean;
  /** Packets that the server sent. */
  readonly down: number;
  readonly elapsed: number;
}

type Packet = { readonly at: number } & (
  | { readonly to: 'client'; readonly block: number }
  | { readonly to: 'server'; readonly wire: number }
);

/** Plays a transfer over a link in virtual time. Block -1 is the OACK. */
export function simulateLink(options: LinkOptions): LinkResult {
  const transfer = startTransfer({ ...options, now: 0 });
  const flying: Packet[] = [];
  let now = 0;
  let down = 0;
  let up = 0;
  let step: TransferStep = transfer.negotiating ? 'oack' : 'data';
  let received = transfer.negotiating ? -1 : 0;
  let inWindow = 0;
  let gapTold = false;
  let lastSeen = 0;
  let lastAck: number | undefined;
  let clientHeard = 0;

  const sendDown = (block: number): void => {
    down++;
    // All packets take equally long: they arrive in the order in which they were sent.
    if (!options.loses('down', down)) flying.push({ to: 'client', block, at: now + options.delay });
  };
  const sendUp = (wire: number): void => {
    lastAck = wire;
    for (let copy = 0; copy < (options.copies ?? 1); copy++) {
      up++;
      if (!options.loses('up', up)) flying.push({ to: 'server', wire, at: now + options.delay });
    }
  };
  const carryOut = (): void => {
    if (step === 'oack') sendDown(-1);
    if (step === 'data') for (let block = transfer.sendFrom; block <= transfer.sent; block++) sendDown(block);
  };
  const acknowledge = (): void => {
    inWindow = 0;
    sendUp(received & 0xffff);
  };
  const clientTakes = (block: number): void => {
    clientHeard = now;
    if (block === -1) {
      if (received <= 0) {
        received = 0;
        acknowledge();
      }
      return;
    }
    if (received === -1) return;
    if (block === received + 1) {
      received = block;
      lastSeen = block;
      gapTold = false;
      inWindow++;
      if (inWindow === options.windowSize || block === transfer.lastBlock) acknowledge();
      return;
    }
    // A block that is not beyond the one before begins another sending: told of once more.
    if (block <= lastSeen) gapTold = false;
    lastSeen = block;
    if (options.client === 'edk2' || !gapTold) {
      gapTold = true;
      acknowledge();
    }
  };
  const running = (): boolean => step === 'none' || step === 'oack' || step === 'data';

  carryOut();
  while (running()) {
    const clientWakes =
      lastAck === undefined ? Number.POSITIVE_INFINITY : clientHeard + options.clientTimeout;
    const next = flying[0];
    const finished = received === transfer.lastBlock;
    if (next !== undefined && next.at <= transfer.deadline && (finished || next.at <= clientWakes)) {
      flying.shift();
      now = next.at;
      if (next.to === 'client') clientTakes(next.block);
      else {
        step = acknowledgeBlock(transfer, next.wire, now);
        carryOut();
      }
    } else if (!finished && clientWakes < transfer.deadline) {
      now = clientWakes;
      clientHeard = now;
      if (lastAck !== undefined) sendUp(lastAck);
    } else {
      now = transfer.deadline;
      step = expireTransfer(transfer, now);
      carryOut();
    }
    if (transfer.sent - transfer.acknowledged > options.windowSize) throw new Error('beyond the window');
    if (down > 500_000) throw new Error('no end');
  }
  return { transfer, step, complete: received === transfer.lastBlock, down, elapsed: now };
}

/** A repeatable source of chance (mulberry32), 0–1. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
