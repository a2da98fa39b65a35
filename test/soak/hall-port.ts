/** What the hall of machines is told, on its command line as JSON. */
export interface HallOrder {
  readonly interface: string;
  readonly server: string;
  readonly seed: number;
  readonly machines: number;
  /** Of these the first so many keep their MACs for good, since machines.yaml names them. */
  readonly listed: number;
  /** Factor on firmware's waits. */
  readonly pace: number;
  /** Milliseconds that a machine stays off at most. */
  readonly rest: number;
  /** Milliseconds that one boot may take. */
  readonly patience: number;
}

/** How a boot is meant to go. `reset` and `vanish` are cut off in the middle. */
export type Way = 'boot' | 'renew' | 'release' | 'reset' | 'vanish';

/** What it says, one a line. Times are milliseconds since the epoch; addresses are dotted. */
export type HallEvent =
  | {
      readonly kind: 'began';
      readonly at: number;
      readonly boot: number;
      readonly mac: string;
      readonly way: Way;
    }
  /** `at`: when it was asked for, which is when a client's lease begins (RFC 2131 4.4.1). */
  | { readonly kind: 'address'; readonly at: number; readonly mac: string; readonly address: string }
  | { readonly kind: 'released'; readonly at: number; readonly mac: string; readonly address: string }
  | {
      readonly kind: 'renewed';
      readonly at: number;
      readonly mac: string;
      readonly address: string;
      readonly answer: 'ack' | 'nak' | 'silence';
    }
  | {
      readonly kind: 'ended';
      readonly at: number;
      readonly startedAt: number;
      readonly boot: number;
      readonly mac: string;
      readonly way: Way;
      readonly ok: boolean;
      /** It came to its report. */
      readonly reported: boolean;
      /** The step that failed, and what came instead. */
      readonly step: string;
      readonly why: string;
      /** Hex; '' where it got none. */
      readonly kernel: string;
      /** Its configuration names this MAC. */
      readonly configOf: string;
    }
  | { readonly kind: 'stranger'; readonly at: number; readonly what: string };

/** The MACs of the machines that machines.yaml names; those that replace what vanished count on from there. */
export function machineMac(number: number): string {
  return (0x525400000000 + number).toString(16).replace(/(..)(?=.)/g, '$1:');
}
