import type { Finding } from '../boot/finding.ts';

/** What was looked at, and what of it. Several of a check stand together. */
export interface DoctorFinding extends Finding {
  /** Kebab-case, stable. */
  readonly check: string;
}

/** Everything that an operator would look at when nothing boots. */
export interface DoctorReport {
  /** No finding is a problem. */
  readonly ok: boolean;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Whether a daemon runs. */
  readonly running: boolean;
  /** In the order in which one would look. */
  readonly findings: readonly DoctorFinding[];
}
