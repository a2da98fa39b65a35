/** Transfers that one thread carries at once; those beyond go through the main thread. */
export const MOST_SLOTS = 4096;

/** What the main thread reads of each transfer while it runs, without asking: `FIELDS` numbers a slot. */
export const FIELDS = 4;
export const PROGRESS_AT = 0;
export const ACKNOWLEDGED = 1;
export const RESENDS = 2;
export const HEARD = 3;

/**
 * Of `control`: how many orders wait, whether the thread sleeps and has to be woken for them, and how many packets were
 * told to the main thread that it has not looked at yet.
 */
export const ORDERS = 0;
export const ASLEEP = 1;
export const UNHEARD = 2;
export const CONTROL_NUMBERS = 3;

export interface TftpThreadOptions {
  readonly control: Int32Array;
  readonly progress: Float64Array;
  /** eventfd(2). */
  readonly wake: number;
  /** The main thread's clock: what it showed at `hrtime`, and how many times faster than the wall's it goes. */
  readonly clock: { readonly hrtime: number; readonly shown: number; readonly pace: number };
}

/** What a transfer starts with, as the main thread negotiated it. */
export interface StartOrder {
  readonly kind: 'start';
  readonly slot: number;
  readonly fd: number;
  readonly address: number;
  readonly port: number;
  /** Where its bytes lie in memory, and how many there are. */
  readonly at: number;
  readonly size: number;
  readonly blockSize: number;
  readonly windowSize: number;
  readonly timeout: number | undefined;
  /** The OACK. */
  readonly answer: Uint8Array | undefined;
  /** Whether the main thread wants to see the packets that a recorder keeps. */
  readonly recorded: boolean;
}

/** To the thread; each is counted in `control` until it is taken. */
export type ThreadOrder =
  | StartOrder
  | { readonly kind: 'open'; readonly fd: number }
  /** Answered by `closed`; nothing of it is used afterwards. */
  | { readonly kind: 'close'; readonly fd: number }
  /** Ends a transfer; `packet` is sent to its client. */
  | { readonly kind: 'end'; readonly slot: number; readonly packet: Uint8Array | undefined }
  | {
      readonly kind: 'send';
      readonly fd: number;
      readonly address: number;
      readonly port: number;
      readonly packet: Uint8Array;
    }
  | { readonly kind: 'stop' };
