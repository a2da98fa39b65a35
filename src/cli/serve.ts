import { type Command, Option } from 'commander';
import { type Daemon, startDaemon } from '../daemon.ts';
import { createLoggers, LOG_LEVELS } from '../logger.ts';
import { type CliContext, readConfig } from './context.ts';

const HELP = `
Runs until SIGTERM or SIGINT; then no new transfers are accepted, running ones get a few seconds to finish.
SIGHUP reads profiles/ again (edits are noticed without it); tinderbox.yaml is read at the start only. Logs are JSON, one object a line; on a terminal, text.

Example:
  $ sudo tinderbox serve --config /etc/tinderbox/tinderbox.yaml`;

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
    .action(async (options: { logLevel?: string }, command: Command) => {
      // Before anything else: a signal that comes while it starts must stop it too, and a reload must not.
      const stopped = Promise.withResolvers<string>();
      const onSignal = (signal: string): void => stopped.resolve(signal);
      let daemon: Daemon | undefined;
      let reloadAsked = false;
      const onReload = (): void => {
        if (daemon === undefined) reloadAsked = true;
        else void daemon.reload();
      };
      // They stay until the process is gone: an impatient second SIGTERM must not kill what is being stopped, and they
      // keep nothing alive.
      process.on('SIGTERM', onSignal).on('SIGINT', onSignal).on('SIGHUP', onReload);
      const config = await readConfig(command, context);
      const loggers = createLoggers({
        level: options.logLevel ?? config.log.level,
        pretty: process.stdout.isTTY,
      });
      daemon = await startDaemon({ config, loggers });
      if (reloadAsked) await daemon.reload();
      const reason = await Promise.race([stopped.promise, daemon.failed]);
      if (typeof reason === 'string') loggers.daemon.info(`${reason}: stopping`);
      else loggers.daemon.error({ err: reason }, 'stopping, to be started again');
      await daemon.stop();
      loggers.daemon.info('stopped');
      // The service manager starts again what ended with a failure.
      if (typeof reason !== 'string') throw reason;
    });
}
