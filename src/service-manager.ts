import type { Config } from './config/port.ts';
import { takeServiceEnvironment } from './config/service-environment.ts';
import type { Daemon } from './daemon.ts';
import { TinderboxError, toTinderboxError } from './errors.ts';
import { isJournal } from './journal-priority.ts';
import type { Loggers } from './logger.ts';
import { type InheritedDoors, inheritDoors } from './net/inherited-doors.ts';
import { inheritedSockets } from './net/inherited-sockets.ts';
import { readInterfaces } from './net/interfaces.ts';
import { type Libc, loadLibc } from './net/libc.ts';
import { createNotifier, type ServiceNotifier } from './net/notify-systemd.ts';
import { watchHealth } from './watch-health.ts';

/** What runs the daemon: systemd, or a person in a terminal, who has none of this. */
export interface ServiceManager {
  /** Somebody waits for its word, and restarts it by its exit code. */
  readonly isService: boolean;
  /** Whether a descriptor (1, 2) is the journal's. */
  readonly writesJournal: (fd: number) => boolean;
  readonly notifier: ServiceNotifier;
  /** The sockets that came with the start. */
  readonly openDoors: (
    config: Config,
    loggers: Loggers,
    startAnew: (reason: string) => void,
  ) => Promise<InheritedDoors>;
  /** Asks for more time while something starts: a migration of a large database may need it. */
  readonly givingTime: <Started>(start: () => Promise<Started>) => Promise<Started>;
  /** From `ready` on: the watchdog, and the line of `systemctl status`. */
  readonly watch: (daemon: Pick<Daemon, 'probe' | 'status'>, loggers: Loggers) => Disposable;
}

/** In ms. Nobody reads the status more often, and a datagram wakes systemd. */
const STATUS_INTERVAL = 30_000;
const EXTEND_INTERVAL = 20_000;
/** How much is asked for each time, and after how long a start that is still not over has failed. In ms. */
const EXTEND_BY = 90_000;
const LONGEST_START = 30 * 60_000;

/** Takes the variables of systemd out of this process's environment. */
export function findServiceManager(): ServiceManager {
  const environment = takeServiceEnvironment();
  const { notifySocket, watchdogTime, journalStream } = environment;
  const libc = tryLibc();
  const notifier = createNotifier({
    socket: notifySocket,
    send: (socket, bytes) => {
      if (libc instanceof TinderboxError) throw libc;
      libc.sendToUnixSocket(socket, bytes);
    },
    monotonic: () => process.hrtime.bigint() / 1000n,
    failed: (reason) => void process.stderr.write(`tinderbox: systemd cannot be told anything: ${reason}\n`),
  });
  return {
    isService: notifySocket !== undefined,
    writesJournal: (fd) => isJournal(fd, journalStream),
    notifier,
    async openDoors(config, loggers, startAnew) {
      return inheritDoors({
        inherited: inheritedSockets(environment.listen, process.pid),
        ports: {
          http: config.http.port,
          tftp: config.tftp.port,
          ...(config.syslog.port === undefined ? {} : { syslog: config.syslog.port }),
        },
        present: new Set((await readInterfaces()).map(({ name }) => name)),
        libc: libc instanceof TinderboxError ? undefined : libc,
        logger: loggers.net,
        startAnew: notifySocket === undefined ? () => undefined : startAnew,
      });
    },
    async givingTime(start) {
      const began = performance.now();
      const timer = setInterval(() => {
        if (performance.now() - began < LONGEST_START) notifier.extend(EXTEND_BY);
      }, EXTEND_INTERVAL);
      try {
        return await start();
      } finally {
        clearInterval(timer);
      }
    },
    watch(daemon, loggers) {
      using stack = new DisposableStack();
      if (notifySocket !== undefined) {
        const timer = setInterval(() => notifier.status(daemon.status()), STATUS_INTERVAL);
        timer.unref();
        stack.defer(() => clearInterval(timer));
      }
      if (watchdogTime !== undefined) {
        const probe = () => daemon.probe();
        stack.use(
          watchHealth({ limit: watchdogTime, probe, alive: () => notifier.alive(), logger: loggers.daemon }),
        );
      }
      return stack.move();
    },
  };
}

function tryLibc(): Libc | TinderboxError {
  try {
    return loadLibc();
  } catch (thrown) {
    return toTinderboxError(thrown);
  }
}
