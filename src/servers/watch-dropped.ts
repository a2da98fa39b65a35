import type { Logger } from '../logger.ts';
import type { DatagramSocket } from '../net/port.ts';
import type { Journal } from '../store/port.ts';
import { sayRarely } from './say-rarely.ts';

export interface DroppedWatchOptions {
  readonly socket: Pick<DatagramSocket, 'dropped'>;
  readonly plane: 'dhcp' | 'pxe';
  readonly port: number;
  /** The interface's name. */
  readonly via: string;
  readonly journal: Pick<Journal, 'count'>;
  readonly logger: Pick<Logger, 'warn'>;
  /** Milliseconds that never go back; for tests. */
  readonly uptime?: (() => number) | undefined;
  /** For tests; in ms. */
  readonly every?: number;
}

const EVERY = 5_000;
/** Milliseconds between two lines of the log. */
const PAUSE = 60_000;

/**
 * Counts what the kernel threw away before anybody here saw it: without that a machine that was not heard looks like one
 * that never asked. Nearly always there was no room; a packet with a wrong checksum counts, too. Does nothing where the
 * socket does not know.
 */
export function watchDropped(options: DroppedWatchOptions): Disposable {
  const { socket, plane, port, via, journal, logger, every = EVERY } = options;
  const turn = sayRarely(PAUSE, options.uptime);
  // One that was inherited has lost some in another life.
  let known = socket.dropped?.() ?? 0;
  let unsaid = 0;
  const look = (): void => {
    const dropped = socket.dropped?.() ?? 0;
    if (dropped > known) journal.count(`${plane}.dropped.no-room`, dropped - known);
    unsaid += dropped - known;
    known = dropped;
    if (unsaid === 0 || turn('dropped') === undefined) return;
    logger.warn(
      { interface: via, dropped: unsaid },
      `${unsaid} packets to port ${port} on ${via} were lost, most likely since they came faster than they were read. ` +
        'Machines ask again. Where net.core.rmem_max is below 4194304, raise it and start again; sockets of systemd ' +
        '(tinderbox init --sockets) have that room by themselves.',
    );
    unsaid = 0;
  };
  const timer = setInterval(look, every);
  timer.unref();
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      look();
    },
  };
}
