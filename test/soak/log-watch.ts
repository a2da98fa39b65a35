import type { LogLine } from './soak-daemon.ts';

/** What the log said, and how fast. */
export interface LogWatch {
  readonly notice: (line: LogLine) => void;
  /** The most lines in one second. */
  busiest(): { readonly lines: number; readonly text: string };
  total(): number;
  /** Errors and how often each was said; numbers and names in them are one. */
  errors(): ReadonlyMap<string, number>;
}

const ERROR = 50;

/** `isExpected`: the fault that is under way explains it. `unexpected` is called with every other error. */
export function createLogWatch(
  isExpected: (line: LogLine) => boolean,
  unexpected: (text: string) => void,
): LogWatch {
  let second = 0;
  let lines = 0;
  let total = 0;
  let busiest = { lines: 0, text: '' };
  const errors = new Map<string, number>();
  return {
    notice(line) {
      total++;
      const now = Math.floor(line.time / 1000);
      lines = now === second ? lines + 1 : 1;
      second = now;
      if (lines > busiest.lines) busiest = { lines, text: `${line.part}: ${line.msg}` };
      if (line.level < ERROR) return;
      const text = `${line.part}: ${line.msg}`.split('\n', 1)[0]?.replace(/\d+/g, '#') ?? '';
      errors.set(text, (errors.get(text) ?? 0) + 1);
      if (!isExpected(line)) unexpected(`the log has an error: ${text}`);
    },
    busiest: () => busiest,
    total: () => total,
    errors: () => errors,
  };
}
