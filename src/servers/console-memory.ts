import type { Mac } from '../machine/mac.ts';
import type { SyslogLine } from '../protocol/syslog/message.ts';

/** A line of a machine's console. */
export interface ConsoleLine extends SyslogLine {
  /** Counts up, of each machine. */
  readonly number: number;
  /** Milliseconds since the epoch: when it came in. */
  readonly at: number;
  /** iPXE's error numbers in words. */
  readonly reasons: readonly string[];
}

export interface ConsoleMemoryLimits {
  /** Of one machine; the oldest go first. */
  readonly lines: number;
  /** With lines; the one that was silent for the longest goes first. */
  readonly machines: number;
  /** Characters of all lines of all machines. */
  readonly characters: number;
}

/** At most some 40 MB; a hall of a thousand machines that all boot keeps some hundred lines of each. */
const CONSOLE_LIMITS: ConsoleMemoryLimits = { lines: 500, machines: 2_000, characters: 16_000_000 };

/** The newest lines of each machine, in memory only: more than events hold, and gone with the daemon. */
export interface ConsoleMemory {
  add(mac: Mac, at: number, line: SyslogLine, reasons: readonly string[]): void;
  /** Oldest first, those after the given number; `missed`: how many of those before the first are gone. */
  read(mac: Mac, after: number): { readonly lines: readonly ConsoleLine[]; readonly missed: number };
  forget(mac: Mac): void;
}

interface Kept {
  lines: ConsoleLine[];
  /** Where the oldest line stands in `lines`: what is before it is cut off now and then. */
  first: number;
  next: number;
}

export function createConsoleMemory(limits: ConsoleMemoryLimits = CONSOLE_LIMITS): ConsoleMemory {
  // In the order of their newest lines.
  const machines = new Map<Mac, Kept>();
  let characters = 0;

  function dropOldest(kept: Kept): void {
    const oldest = kept.lines[kept.first];
    if (oldest === undefined) return;
    characters -= sizeOf(oldest);
    kept.first++;
    if (kept.first < limits.lines) return;
    kept.lines = kept.lines.slice(kept.first);
    kept.first = 0;
  }

  function forget(mac: Mac): void {
    const kept = machines.get(mac);
    if (kept === undefined) return;
    for (const line of kept.lines.slice(kept.first)) characters -= sizeOf(line);
    machines.delete(mac);
  }

  function makeRoom(own: Mac): void {
    for (const mac of machines.keys()) {
      if (machines.size <= limits.machines && characters <= limits.characters) return;
      if (mac !== own) forget(mac);
    }
    const kept = machines.get(own);
    if (kept === undefined) return;
    while (characters > limits.characters && kept.first < kept.lines.length - 1) dropOldest(kept);
  }

  return {
    add(mac, at, line, reasons) {
      const kept = machines.get(mac) ?? { lines: [], first: 0, next: 1 };
      machines.delete(mac);
      machines.set(mac, kept);
      const added: ConsoleLine = { number: kept.next, at, ...line, reasons };
      kept.next++;
      kept.lines.push(added);
      characters += sizeOf(added);
      if (kept.lines.length - kept.first > limits.lines) dropOldest(kept);
      makeRoom(mac);
    },
    read(mac, after) {
      const kept = machines.get(mac);
      if (kept === undefined) return { lines: [], missed: 0 };
      const oldest = kept.lines[kept.first]?.number ?? kept.next;
      // A number from before a restart of the daemon is none of these.
      const from = after >= kept.next ? 0 : after;
      const lines = kept.lines.slice(kept.first).filter(({ number }) => number > from);
      return { lines, missed: Math.max(0, oldest - 1 - from) };
    },
    forget,
  };
}

/** What an object and its fields take besides the text. */
const OVERHEAD = 120;

function sizeOf({ text, reasons }: ConsoleLine): number {
  return text.length + reasons.reduce((sum, reason) => sum + reason.length, OVERHEAD);
}
