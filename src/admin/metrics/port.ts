import type { BootSession } from '../../machine/session.ts';
import type { DaemonStatus } from '../api.ts';

/** What is asked at each scrape. */
export interface MetricFacts {
  readonly status: DaemonStatus;
  /** Seconds. */
  readonly uptime: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Of the journal, by their dotted names. */
  readonly counters: ReadonlyMap<string, number>;
  /** The newest boot session of each machine. */
  readonly sessions: Iterable<BootSession>;
  readonly certificates: readonly {
    /** `authority/kubernetes`. */
    readonly name: string;
    /** Milliseconds since the epoch. */
    readonly notAfter: number;
  }[];
  /** Server mode: the addresses that may be given out. */
  readonly pools: readonly { readonly subnet: string; readonly size: number; readonly free: number }[];
  /** Kept for captures. */
  readonly packets: { readonly machines: number; readonly packets: number; readonly bytes: number };
  /** The boot queue; absent: nobody waits. */
  readonly queue?: { readonly places: number; readonly holding: number; readonly waiting: number };
}
