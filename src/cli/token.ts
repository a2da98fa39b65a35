import type { Command } from 'commander';
import { TinderboxError } from '../errors.ts';
import { type CliContext, readConfig } from './context.ts';
import { usageError } from './exit.ts';
import { findDaemon } from './find-daemon.ts';

const HELP = `
Whoever has the token can do over TCP (admin.listen) all that this command line can: type it where the page asks for it,
or send it as the header Authorization: Bearer TOKEN. The one for metrics opens /metrics and nothing else.

Examples:
  $ sudo tinderbox token
  $ sudo tinderbox token --renew                                  another one; every browser has to sign in again
  $ sudo tinderbox token --metrics | sudo install -m 0640 -g prometheus /dev/stdin /etc/prometheus/tinderbox
                                                                  for authorization.credentials_file`;

interface TokenFlags {
  readonly renew?: boolean;
  readonly metrics?: boolean;
  readonly json?: boolean;
}

export function addTokenCommand(program: Command, context: CliContext): void {
  program
    .command('token')
    .description('the token that opens the page and the API over TCP')
    .option('--renew', 'make another; what the former one let in ends')
    .option('--metrics', 'the one that opens /metrics alone')
    .option('--json', 'print both as JSON')
    .addHelpText('after', HELP)
    .action(async ({ renew, metrics, json }: TokenFlags, command: Command) => {
      if (metrics === true && json === true) throw usageError('--json prints both: leave --metrics out');
      const daemon = await findDaemon(await readConfig(command, context));
      if (daemon === undefined) {
        throw new TinderboxError('unavailable', 'tinderbox is not running', {
          remedy: 'Start it: sudo systemctl start tinderbox, or sudo tinderbox serve.',
        });
      }
      const view = await (renew === true ? daemon.renewToken() : daemon.token());
      if (json === true) return context.out(`${JSON.stringify(view, null, 2)}\n`);
      context.out(`${metrics === true ? view.metricsToken : view.token}\n`);
    });
}
