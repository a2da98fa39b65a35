import { stripVTControlCharacters } from 'node:util';
import { TinderboxError } from '../errors.ts';

/** What a machine prints on its serial line. */
export interface MachineConsole {
  /** Every finished line so far, without control sequences. */
  readonly lines: readonly string[];
  /**
   * The first line that matches, from line `from` on (0 unless told). Throws TinderboxError `unavailable` with the
   * last lines when `timeout` milliseconds pass or the machine ends first. `unfinished`: also the line that is being
   * printed, which is the whole of what is drawn with the cursor (a menu).
   */
  readonly waitFor: (
    pattern: RegExp,
    options: { timeout: number; from?: number; unfinished?: boolean },
  ) => Promise<string>;
  /** Called with each line until the returned function is called. */
  readonly onLine: (listener: (line: string) => void) => () => void;
}

/** Bounds: a guest that prints without end must not fill the memory of who watches it. */
const MAX_LINES = 20_000;
const MAX_LINE = 4_096;

export interface WritableConsole extends MachineConsole {
  readonly write: (chunk: Uint8Array) => void;
  /** No more will come. */
  readonly end: () => void;
}

export function createConsole(name: string): WritableConsole {
  const lines: string[] = [];
  const listeners = new Set<(line: string) => void>();
  const onUnfinished = new Set<(text: string) => void>();
  const onEnd = new Set<() => void>();
  let rest = '';
  let ended = false;

  const finishLine = (raw: string): void => {
    const line = cleanLine(raw);
    if (line === '' || lines.length >= MAX_LINES) return;
    lines.push(line);
    for (const listener of listeners) listener(line);
  };
  const console: WritableConsole = {
    lines,
    write(chunk) {
      // Firmware redraws lines with carriage returns; each drawing counts as a line.
      const parts = (rest + Buffer.from(chunk).toString('utf8')).split(/\r\n|\r|\n/);
      rest = (parts.pop() ?? '').slice(-MAX_LINE);
      for (const part of parts) finishLine(part);
      for (const listener of onUnfinished) listener(cleanLine(rest));
    },
    end() {
      finishLine(rest);
      rest = '';
      ended = true;
      for (const listener of onEnd) listener();
    },
    onLine(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    waitFor(pattern, { timeout, from = 0, unfinished = false }) {
      const already = lines.slice(from).find((line) => pattern.test(line));
      if (already !== undefined) return Promise.resolve(already);
      return new Promise((resolve, reject) => {
        const settle = (): void => {
          clearTimeout(timer);
          stop();
          onEnd.delete(giveUp);
        };
        const giveUp = (): void => {
          settle();
          const why = ended ? 'the machine ended' : `${timeout / 1000} s passed`;
          reject(
            new TinderboxError('unavailable', `${name}: ${why} without ${pattern} on its console`, {
              remedy: `Its last lines:\n${lines.slice(-15).join('\n')}`,
            }),
          );
        };
        const timer = setTimeout(giveUp, timeout);
        const look = (line: string): void => {
          if (!pattern.test(line)) return;
          settle();
          resolve(line);
        };
        const stopLines = console.onLine(look);
        const stop = (): void => {
          stopLines();
          onUnfinished.delete(look);
        };
        if (unfinished) onUnfinished.add(look);
        onEnd.add(giveUp);
        if (ended) giveUp();
      });
    },
  };
  return console;
}

/** Without escape sequences (cursor movements of SeaBIOS and EDK2) and other control characters. */
function cleanLine(raw: string): string {
  return stripVTControlCharacters(raw)
    .replace(/\p{Cc}/gu, '')
    .trimEnd();
}
