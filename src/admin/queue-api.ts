import type { Mac } from '../machine/mac.ts';

/** Who loads, or waits for that. Without `mac` nobody knows whose address it is. Times in milliseconds since the epoch. */
export interface QueuedView {
  readonly mac?: Mac;
  readonly hostname?: string;
  readonly address?: string;
  /** When it first asked. */
  readonly since: number;
}

export interface QueueView {
  /** So many load at once; 0: any number, and nobody waits. */
  readonly downloads: number;
  /** Bytes: smaller files wait for nobody. */
  readonly largerThan: number;
  readonly counts: { readonly loading: number; readonly waiting: number };
  /** The first thousand of each. */
  readonly loading: readonly (QueuedView & {
    /** When it got its place. */
    readonly from: number;
    /** Downloads that run. */
    readonly downloads: number;
  })[];
  readonly waiting: readonly (QueuedView & {
    /** 1: the next. */
    readonly position: number;
    /** Milliseconds that it likely still waits; absent: nobody was done yet. */
    readonly estimate?: number;
  })[];
}
