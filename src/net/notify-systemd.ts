import { toTinderboxError } from '../errors.ts';

/** Tells the service manager how it stands (sd_notify(3)). Nothing throws; without a manager nothing happens. */
export interface ServiceNotifier {
  readonly ready: (status: string) => void;
  /** The line `Status:` of `systemctl status`. Sent only when it is another than before. */
  readonly status: (text: string) => void;
  /** `ready` must follow. */
  readonly reloading: () => void;
  readonly stopping: () => void;
  readonly alive: () => void;
  /** A start or stop goes on for so many milliseconds more. */
  readonly extend: (time: number) => void;
}

export interface NotifierOptions {
  /** $NOTIFY_SOCKET; undefined: nobody listens. */
  readonly socket: string | undefined;
  readonly send: (socket: string, bytes: Uint8Array) => void;
  /** Microseconds of CLOCK_MONOTONIC. */
  readonly monotonic: () => bigint;
  /** Called once, with the first failure: without it a manager would be seen to wait for ever. */
  readonly failed: (reason: string) => void;
}

/** Of `Status:`, in characters; datagrams are bounded, and nobody reads more in one line. */
const MOST_STATUS = 300;

export function createNotifier({ socket, send, monotonic, failed }: NotifierOptions): ServiceNotifier {
  let hasFailed = false;
  let lastStatus = '';

  const say = (...lines: readonly string[]): void => {
    if (socket === undefined) return;
    try {
      send(socket, Buffer.from(`${lines.join('\n')}\n`));
    } catch (thrown) {
      // A full queue (EAGAIN) empties; the next word comes through.
      if (!hasFailed) failed(toTinderboxError(thrown).message);
      hasFailed = true;
    }
  };

  return {
    ready(status) {
      lastStatus = status;
      say('READY=1', statusLine(status));
    },
    status(text) {
      if (text === lastStatus) return;
      lastStatus = text;
      say(statusLine(text));
    },
    reloading: () => say('RELOADING=1', `MONOTONIC_USEC=${monotonic()}`),
    stopping: () => say('STOPPING=1', 'STATUS=stopping: running transfers get a few seconds to finish'),
    alive: () => say('WATCHDOG=1'),
    extend: (time) => say(`EXTEND_TIMEOUT_USEC=${Math.round(time * 1000)}`),
  };
}

/** A line break would begin another assignment. */
function statusLine(text: string): string {
  return `STATUS=${text.replaceAll(/\s+/g, ' ').slice(0, MOST_STATUS)}`;
}
