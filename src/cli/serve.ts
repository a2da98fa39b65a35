import { type Command, Option } from 'commander';
import type { Config } from '../config/port.ts';
import type { Daemon } from '../daemon.ts';
import { type ErrorCode, TinderboxError, toTinderboxError } from '../errors.ts';
import { forJournal } from '../journal-priority.ts';
import { createLoggers, LOG_LEVELS } from '../logger.ts';
import { findServiceManager, type ServiceManager } from '../service-manager.ts';
import { type CliContext, readConfig } from './context.ts';
import { type ExitCode, reportFailure } from './exit.ts';

const HELP = `
Runs until SIGTERM or SIGINT; then no new transfers are accepted, running ones get a few seconds to finish.
SIGHUP reads profiles/ again (edits are noticed without it); tinderbox.yaml is read at the start only. Logs are JSON, one object a line; on a terminal, text; in the journal, each with its priority.
Under systemd the exit code is 78 where the configuration must be mended first, 75 where only a new start gets the sockets of an interface that is back.

Example:
  $ sudo tinderbox serve --config /etc/tinderbox/tinderbox.yaml`;

/** What only the operator can mend: systemd does not try again. */
const CONFIGURATION: ReadonlySet<ErrorCode> = new Set([
  'invalid-config',
  'invalid-catalog',
  'invalid-template',
  'newer-database',
]);
const WARNING = 4;
const ERROR = 3;
const START_ANEW = 75;
const WRONG_CONFIGURATION = 78;

/** Why it ends; `code`, if it is no ordinary end. */
interface Stop {
  readonly reason: string;
  readonly code?: ExitCode;
}

interface Asked {
  readonly logLevel?: string;
}

export function addServeCommand(program: Command, context: CliContext): void {
  program
    .command('serve')
    .description('run the service: DHCP, TFTP, HTTP')
    .addOption(
      new Option('--log-level <level>', 'the least that is logged (default: log.level, else info)').choices(
        LOG_LEVELS,
      ),
    )
    .addHelpText('after', HELP)
    .action(async (options: Asked, command: Command) => {
      const manager = findServiceManager();
      const toJournal = manager.writesJournal(2);
      const saying = (priority: number): CliContext => ({
        ...context,
        err: (text) => context.err(toJournal ? forJournal(text, priority) : text),
      });
      let config: Config | undefined;
      try {
        // Before anything else: a signal that comes while it starts must stop it too, and a reload must not.
        const signals = catchSignals();
        config = await readConfig(command, saying(WARNING));
        await serve(config, options, manager, signals, context);
      } catch (thrown) {
        if (!manager.isService) throw thrown;
        const error = toTinderboxError(thrown);
        const isConfiguration = config === undefined || CONFIGURATION.has(error.code);
        saying(ERROR).err(reportFailure(error, command.optsWithGlobals()['verbose'] === true).text);
        manager.notifier.status(`failed: ${error.message}`);
        context.fail(isConfiguration ? WRONG_CONFIGURATION : 1);
      }
    });
}

interface Signals {
  readonly stopped: Promise<Stop>;
  readonly stop: (how: Stop) => void;
  /** From now on, and once now if it was asked for before. */
  readonly onReload: (reload: () => void) => void;
}

/** They stay until the process is gone: an impatient second SIGTERM must not kill what is being stopped, and they keep nothing alive. */
function catchSignals(): Signals {
  const { promise: stopped, resolve: stop } = Promise.withResolvers<Stop>();
  let isAsked = false;
  let reload = (): void => {
    isAsked = true;
  };
  const onSignal = (signal: string): void => stop({ reason: signal });
  process
    .on('SIGTERM', onSignal)
    .on('SIGINT', onSignal)
    .on('SIGHUP', () => reload());
  return {
    stopped,
    stop,
    onReload(listener) {
      reload = listener;
      if (isAsked) listener();
    },
  };
}

async function serve(
  config: Config,
  { logLevel }: Asked,
  manager: ServiceManager,
  signals: Signals,
  context: CliContext,
): Promise<void> {
  const { notifier } = manager;
  const priorities = manager.writesJournal(1);
  const loggers = createLoggers({
    level: logLevel ?? config.log.level,
    pretty: process.stdout.isTTY,
    priorities,
  });
  const doors = await manager.openDoors(config, loggers, (reason) =>
    signals.stop({ reason, code: START_ANEW }),
  );
  // Loaded here, not with this file: every other command would read the whole daemon first.
  const daemon = await manager.givingTime(async () => {
    const { startDaemon } = await import('../daemon.ts');
    return startDaemon({ config, loggers, doors });
  });
  const unused = doors.unused();
  if (unused.length > 0)
    loggers.net.warn(
      `systemd handed over sockets that nobody serves: ${unused.join(', ')}; disable their units, or see network.interface`,
    );
  const watch = manager.watch(daemon, loggers);
  notifier.ready(daemon.status());
  signals.onReload(() => void reloadDaemon(daemon, manager));
  const why = await Promise.race([signals.stopped, daemon.failed]);
  if (why instanceof TinderboxError) loggers.daemon.error({ err: why }, 'stopping, to be started again');
  else loggers.daemon.info(`${why.reason}: stopping`);
  watch[Symbol.dispose]();
  notifier.stopping();
  await daemon.stop();
  loggers.daemon.info('stopped');
  // The service manager starts again what ended with a failure.
  if (why instanceof TinderboxError) throw why;
  if (why.code !== undefined) context.fail(why.code);
}

async function reloadDaemon(daemon: Daemon, { notifier }: ServiceManager): Promise<void> {
  notifier.reloading();
  try {
    await daemon.reload();
  } finally {
    // What was wrong stands in the log, and the last good profiles stay.
    notifier.ready(daemon.status());
  }
}
