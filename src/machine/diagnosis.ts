import type { Stage } from './stage.ts';

/** A named cause of a boot that does not go on, from the table of rules in boot/diagnosis-rules.ts. */
export interface Diagnosis {
  /** Kebab-case, stable: operators search for it, metrics count it. */
  readonly name: string;
  /** What is the case, in a few words. */
  readonly title: string;
  /** Why that is what it looks like: what was seen, and what was not. */
  readonly evidence: readonly string[];
  /** What the operator can do. */
  readonly remedy: string;
}

/** The mark of a session that overran the time of its stage. A later packet that proves a later stage takes it away. */
export interface Stall {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The stage that it did not leave in time. */
  readonly stage: Stage;
  readonly diagnosis: Diagnosis;
}
