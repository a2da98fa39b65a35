import { resolve } from 'node:path';
import type { Command } from 'commander';
import { findInvokingUser, type InvokingUser } from '../config/invoking-user.ts';
import { type KubeconfigResult, makeKubeconfig } from '../make-kubeconfig.ts';
import { type CliContext, readConfig } from './context.ts';
import { usageError } from './exit.ts';
import { requireDays } from './require-days.ts';

const HELP = `
Makes a key and has it certified as CN=<user>, O=system:masters: everything may be done with it. The cluster, the user
and the context go into $KUBECONFIG (its first file) or ~/.kube/config of who runs sudo; what else is there stays. Run
again it changes nothing until less than a third of the certificate's time is left. Runs on the master, as root or as
the user that tinderbox runs as, since it reads the authorities in paths.state.

Examples:
  $ sudo tinderbox kubeconfig
  $ sudo tinderbox kubeconfig --user ada --days 30 --file ./ada.kubeconfig`;

interface KubeconfigFlags {
  readonly user?: string;
  readonly file?: string;
  readonly days?: string;
  readonly context?: string;
  readonly replace?: boolean;
  readonly json?: boolean;
}

export function addKubeconfigCommand(program: Command, context: CliContext): void {
  program
    .command('kubeconfig')
    .description('give a person the cluster, in their kubeconfig')
    .option('--user <name>', 'who the cluster sees; default: who runs this, or admin')
    .option('--file <file>', 'write to this one')
    .option('--days <number>', 'how long the certificate is valid, up to 365; default: 365')
    .option('--context <name>', 'what the context and the cluster are called; default: <user>@<cluster>')
    .option('--replace', "also in the place of another cluster's entries")
    .option('--json', 'print what was done as JSON')
    .addHelpText('after', HELP)
    .action(async (flags: KubeconfigFlags, command: Command) => {
      const days = flags.days === undefined ? undefined : requireDays('--days', flags.days);
      if (flags.context === '') throw usageError('--context is empty');
      const config = await readConfig(command, context);
      const invoking = await findInvokingUser();
      const result = await makeKubeconfig(config, {
        user: flags.user ?? (invoking.uid === 0 ? 'admin' : invoking.name),
        file: resolve(flags.file ?? invoking.kubeconfig),
        ...(days === undefined ? {} : { days }),
        ...(flags.context === undefined ? {} : { context: flags.context }),
        replace: flags.replace === true,
        // A file that was named is written by who runs this; one in somebody's home by them: a link in it must not
        // lead root elsewhere.
        ...(invoking.throughSudo && flags.file === undefined ? { dropRights: () => become(invoking) } : {}),
      });
      if (flags.json === true) return context.out(`${JSON.stringify(result)}\n`);
      context.out(describe(result));
    });
}

function become({ uid, gid }: InvokingUser): void {
  process.setgroups?.([gid]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}

function describe({ file, context, changed, reason, notAfter, currentContext }: KubeconfigResult): string {
  const until = new Date(notAfter).toISOString().slice(0, 10);
  const done = changed
    ? `${file}: wrote the context ${context} (${reason}), valid until ${until}.\n`
    : `${file}: the context ${context} is valid until ${until}; nothing was changed.\n`;
  if (currentContext === context) return done;
  return `${done}The current context stays ${currentContext}; to change: kubectl config use-context ${context}\n`;
}
