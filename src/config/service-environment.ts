/** What systemd tells a service through its environment (sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3)). */
export interface ServiceEnvironment {
  /** LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES as they are. */
  readonly listen: Readonly<Record<string, string | undefined>>;
  /** Where states are told; undefined: nobody asked for them. */
  readonly notifySocket: string | undefined;
  /** Within so many milliseconds it must say that it lives; undefined: no watchdog. */
  readonly watchdogTime: number | undefined;
  /** `dev:inode` of the journal's stream. */
  readonly journalStream: string | undefined;
}

const LISTEN = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const;
const OTHERS = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;

/** Takes them out of the environment: children would inherit them and mean themselves. */
export function takeServiceEnvironment(
  env: Record<string, string | undefined> = process.env,
  pid: number = process.pid,
): ServiceEnvironment {
  const listen = Object.fromEntries(LISTEN.map((name) => [name, env[name]]));
  const socket = env['NOTIFY_SOCKET'] ?? '';
  // Others (vsock:) need a kernel's help that no service of this kind has.
  const notifySocket = /^[/@]./.test(socket) ? socket : undefined;
  const watchdogTime = readWatchdogTime(env, pid);
  const journalStream = env['JOURNAL_STREAM'];
  for (const name of [...LISTEN, ...OTHERS]) delete env[name];
  return { listen, notifySocket, watchdogTime, journalStream };
}

function readWatchdogTime(env: Record<string, string | undefined>, pid: number): number | undefined {
  const meant = env['WATCHDOG_PID'];
  if (meant !== undefined && meant !== String(pid)) return undefined;
  const microseconds = Number(env['WATCHDOG_USEC']);
  return Number.isSafeInteger(microseconds) && microseconds > 0 ? microseconds / 1000 : undefined;
}
