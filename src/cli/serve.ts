import { type Command, Option } from 'commander';
import { startDaemon } from '../daemon.ts';
import { createLoggers } from '../logger.ts';
import { type CliContext, readConfig } from './context.ts';

const HELP = `
Runs until SIGTERM or SIGINT; then no new transfers are accepted, running ones get a few seconds to finish.
SIGHUP reads profiles/ again (edits are noticed without it). Logs are JSON, one object a line; on a terminal, text.

Example:
  $ tinderbox serve --config /etc/tinderbox/tinderbox.yaml`;

export function addServeCommand(program: Command, context: CliContext): void {
  program
    .command('serve')
    .description('run the service: DHCP, TFTP, HTTP')
    .addOption(
      new Option('--log-level <level>', 'the least that is logged')
        .choices(['trace', 'debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addHelpText('after', HELP)
    .action(async (options: { logLevel: string }, command: Command) => {
      const config = await readConfig(command, context);
      const loggers = createLoggers({ level: options.logLevel, pretty: process.stdout.isTTY });
      // Before the start: a signal that comes while it starts must stop it too.
      const stopped = Promise.withResolvers<string>();
      const onSignal = (signal: string): void => stopped.resolve(signal);
      process.once('SIGTERM', onSignal).once('SIGINT', onSignal);
      try {
        const daemon = await startDaemon({ config, loggers });
        const onReload = (): void => void daemon.reload();
        process.on('SIGHUP', onReload);
        const signal = await stopped.promise;
        loggers.daemon.info(`${signal}: stopping`);
        process.off('SIGHUP', onReload);
        await daemon.stop();
        loggers.daemon.info('stopped');
      } finally {
        process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
      }
    });
}
