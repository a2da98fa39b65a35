import { type Command, Option } from 'commander';
import type { PowerView } from '../admin/power-api.ts';
import { TinderboxError } from '../errors.ts';
import { POWER_ACTIONS, type PowerAction } from '../machine/power.ts';
import { type CliContext, readConfig, requireMac } from './context.ts';
import { usageError } from './exit.ts';
import { findDaemon } from './find-daemon.ts';
import { plain } from './format-timeline.ts';

const HELP = `
How a machine is turned on and off stands under \`power:\` of its entry in machines.yaml: wake-on-lan (on only), redfish or
ipmitool. \`off\` and \`cycle\` do not ask the operating system. With a cycle the next boot is set to the network, once, where
the management controller can; --pxe does so with \`on\`, and --no-pxe does not.

Examples:
  $ sudo tinderbox power status 52:54:00:12:34:56
  $ sudo tinderbox power cycle 52:54:00:12:34:56
  $ sudo tinderbox power on 52:54:00:12:34:56 --pxe`;

interface PowerFlags {
  readonly pxe?: boolean;
  readonly json?: boolean;
}

export function addPowerCommand(program: Command, context: CliContext): void {
  program
    .command('power')
    .description('turn a machine on or off, or ask whether it is on')
    .argument('<action>', POWER_ACTIONS.join(', '))
    .argument('<mac>', 'the machine')
    .addOption(new Option('--pxe', 'boot from the network next (default with cycle)'))
    .option('--no-pxe', 'leave the boot order alone')
    .option('--json', 'print it as JSON')
    .addHelpText('after', HELP)
    .action(async (actionText: string, macText: string, flags: PowerFlags, command: Command) => {
      const action = readAction(actionText);
      const mac = requireMac(macText);
      const daemon = await findDaemon(await readConfig(command, context));
      if (daemon === undefined) throw notRunning();
      const view = await daemon.power(mac, action, flags.pxe === undefined ? {} : { pxe: flags.pxe });
      context.out(flags.json === true ? `${JSON.stringify(view)}\n` : formatPower(view));
    });
}

export function notRunning(): TinderboxError {
  return new TinderboxError(
    'unavailable',
    'tinderbox is not running, and it is who turns machines on and off',
    {
      remedy: 'Start it: sudo systemctl start tinderbox, or sudo tinderbox serve.',
    },
  );
}

function readAction(text: string): PowerAction {
  const action = POWER_ACTIONS.find((known) => known === text);
  if (action !== undefined) return action;
  throw usageError(`'${text}' is none of ${POWER_ACTIONS.join(', ')}`);
}

function formatPower({ mac, action, state, did, notes }: PowerView): string {
  if (action === 'status') return `${mac} is ${state ?? 'in a state that its controller does not tell'}\n`;
  const before = state === undefined ? '' : `, which was ${state}`;
  return [`${mac}${before}: ${plain(did)}`, ...notes.map((note) => `    ${plain(note)}`), ''].join('\n');
}
