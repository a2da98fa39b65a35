import type { Mac } from '../machine/mac.ts';
import type { SyslogLine } from '../protocol/syslog/message.ts';

/** One line that a machine printed, by syslog. All texts are the machine's: printable, bounded, not trusted. */
export interface ConsoleLineView extends SyslogLine {
  /** Counts up, of each machine, from 1; begins anew with the daemon. */
  readonly number: number;
  /** Milliseconds since the epoch: when it came in. */
  readonly at: number;
  /** iPXE's error numbers in words. */
  readonly reasons: readonly string[];
}

/** A machine's console, as far as the daemon remembers it: its newest lines, those of its last boots. */
export interface ConsoleView {
  readonly mac: Mac;
  /** Oldest first. */
  readonly lines: readonly ConsoleLineView[];
  /** How many are forgotten between what was asked for and the first of these. */
  readonly missed: number;
}
