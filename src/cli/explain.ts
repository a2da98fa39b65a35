import { type Command, Option } from 'commander';
import type { ExplainView } from '../admin/explain-api.ts';
import { readArchitecture } from '../admin/routes/explain.ts';
import type { Config } from '../config/port.ts';
import { explainMachine } from '../explain-machine.ts';
import { openOfflineSources } from '../explain-offline.ts';
import type { FirmwareArchitecture } from '../machine/architecture.ts';
import type { Mac } from '../machine/mac.ts';
import { type CliContext, readConfig, requireMac } from './context.ts';
import { usageError } from './exit.ts';
import { findDaemon } from './find-daemon.ts';
import { formatExplanation } from './format-explanation.ts';

const HELP = `
Which entry, rule or default gives the machine its role, and which rules do not match it; whether it is admitted; which
boot file it gets; what it would be answered if it asked now; what its script and its configuration would be; and what
its last boot did. Works for machines that were never seen, too: --arch then says what firmware to assume. Certificates
and keys are samples, and secrets are masked. Where no daemon runs, the files and the database are read.

Examples:
  $ sudo tinderbox explain 52:54:00:12:34:56
  $ sudo tinderbox explain 52:54:00:12:34:56 --only script     the whole iPXE script
  $ sudo tinderbox explain 52:54:00:99:99:99 --arch uefi-x64`;

interface ExplainFlags {
  readonly arch?: string;
  readonly only?: 'script' | 'config';
  readonly json?: boolean;
}

export function addExplainCommand(program: Command, context: CliContext): void {
  program
    .command('explain')
    .description('why a machine gets what it gets, and what it would get now')
    .argument('<mac>', 'the machine')
    .option('--arch <architecture>', 'as if its firmware were this: bios, uefi-x64, uefi-arm64, …')
    .addOption(new Option('--only <part>', 'print one part, nothing else').choices(['script', 'config']))
    .option('--json', 'print it as JSON')
    .addHelpText('after', HELP)
    .action(async (macText: string, flags: ExplainFlags, command: Command) => {
      const mac = requireMac(macText);
      if (flags.only !== undefined && flags.json === true)
        throw usageError('--only and --json exclude each other');
      const architecture = flags.arch === undefined ? undefined : readArchitecture(flags.arch);
      const view = await readView(await readConfig(command, context), mac, architecture, context);
      if (flags.json === true) return context.out(`${JSON.stringify(view, null, 2)}\n`);
      if (flags.only === undefined) return context.out(formatExplanation(view, Date.now()));
      const part = view.preview?.[flags.only];
      if (part !== undefined) return context.out(part);
      const why =
        view.preview === undefined ? view.message : `role ${view.preview.role} has no configuration`;
      context.err(`${[why, ...view.problems.map(({ message }) => message)].join('\n')}\n`);
      context.fail();
    });
}

async function readView(
  config: Config,
  mac: Mac,
  architecture: FirmwareArchitecture | undefined,
  context: CliContext,
): Promise<ExplainView> {
  const daemon = await findDaemon(config);
  if (daemon !== undefined) return daemon.explain(mac, architecture?.name);
  await using offline = await openOfflineSources(config, Date.now());
  context.err('tinderbox is not running; this is what its files and its database say\n');
  if (offline.unknown !== undefined)
    context.err(`without what is known of the machine: ${offline.unknown.message}\n`);
  return await explainMachine(offline.sources, mac, architecture);
}
