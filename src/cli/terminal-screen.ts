import { writeSync } from 'node:fs';

/** A terminal that belongs to one program for a while; what was on it comes back. */
export interface TerminalScreen extends Disposable {
  size(): { readonly columns: number; readonly lines: number };
  /** Replaces what is on it. */
  draw(lines: readonly string[]): void;
}

export interface TerminalScreenOptions {
  readonly output: NodeJS.WriteStream & { readonly fd: number };
  readonly input: NodeJS.ReadStream;
  /** `q`, Ctrl-C, or the terminal went away. */
  readonly onQuit: () => void;
  readonly onResize: () => void;
}

// xterm's: the other screen, no cursor, no wrapping, since a wide character must not push a line into the next.
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';

/** In raw mode Ctrl-C and Ctrl-D are characters. */
const QUIT_KEYS = ['q', 'Q', '\x03', '\x04'];

export function openTerminalScreen({
  output,
  input,
  onQuit,
  onResize,
}: TerminalScreenOptions): TerminalScreen {
  let open = true;
  const restore = (): void => {
    if (!open) return;
    open = false;
    if (input.isTTY) input.setRawMode(false);
    try {
      // At once, and also from the end of a process that crashed: a stream would write later, or never.
      writeSync(output.fd, LEAVE);
    } catch {
      // The terminal is gone, and with it what was to be restored.
    }
  };
  const onKeys = (keys: Buffer): void => {
    if (QUIT_KEYS.some((key) => keys.includes(key))) onQuit();
  };
  process.once('exit', restore);
  output.on('resize', onResize);
  writeSync(output.fd, ENTER);
  if (input.isTTY) {
    input.setRawMode(true);
    input.on('data', onKeys);
    input.once('end', onQuit);
    input.resume();
  }
  return {
    size: () => ({ columns: output.columns || 80, lines: output.rows || 24 }),
    draw(lines) {
      if (!open) return;
      // Overwritten in place instead of cleared first, which would flicker.
      output.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`);
    },
    [Symbol.dispose]() {
      restore();
      process.off('exit', restore);
      output.off('resize', onResize);
      if (input.isTTY) {
        input.off('data', onKeys);
        input.off('end', onQuit);
        input.pause();
      }
    },
  };
}
