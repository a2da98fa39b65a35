import { writeSync } from 'node:fs';

/** Bytes that are kept while the log cannot be written, to be written once it can. */
const MAX_KEPT = 256 * 1024;
/** Between two attempts while nobody logs anything. In ms. */
const TRY_AGAIN = 250;
const STDOUT = 1;

/** What pino needs of a stream. */
export interface LogStdout {
  write(line: string): void;
}

/**
 * Stdout for the log, written at once, so that the last words are not lost. Nobody stops booting machines because the
 * log's disk is full, or because whoever reads its pipe does not read: what cannot be written waits, up to a bound;
 * lines above it are lost and counted. `recovered` is called, with how many were, once all that waited is written.
 */
export function openLogStdout(recovered: (lost: number) => void): LogStdout {
  // Node makes a pipe non-blocking when it is first looked at, and only then does a full one refuse instead of hold us up.
  void process.stdout.writable;
  const waiting: Buffer[] = [];
  let bytes = 0;
  let lost = 0;
  let said = false;
  let timer: NodeJS.Timeout | undefined;

  const drain = (): void => {
    try {
      for (let [first] = waiting; first !== undefined; [first] = waiting) {
        const written = writeSync(STDOUT, first);
        bytes -= written;
        if (written === first.length) waiting.shift();
        else waiting[0] = first.subarray(written);
      }
    } catch (error) {
      complain(error as NodeJS.ErrnoException);
      timer ??= setTimeout(() => {
        timer = undefined;
        drain();
      }, TRY_AGAIN).unref();
      return;
    }
    if (lost === 0) return;
    const lines = lost;
    lost = 0;
    recovered(lines);
  };

  const complain = ({ code, message }: NodeJS.ErrnoException): void => {
    // Whoever read a pipe and went away wants to hear no more; that one was full is said once it is read.
    if (said || code === 'EPIPE' || code === 'EAGAIN') return;
    said = true;
    process.stderr.write(`tinderbox: the log cannot be written: ${message}\n`);
  };

  return {
    write(line) {
      const chunk = Buffer.from(line);
      if (bytes + chunk.length > MAX_KEPT) {
        lost++;
        return;
      }
      waiting.push(chunk);
      bytes += chunk.length;
      drain();
    },
  };
}
