import { type Command, Option } from 'commander';
import { TinderboxError } from '../errors.ts';
import type { Mac } from '../machine/mac.ts';
import { openOfflineClient } from '../offline-client.ts';
import { printAnsible } from './ansible.ts';
import { type CliContext, readConfig } from './context.ts';
import { usageError } from './exit.ts';
import { findDaemon } from './find-daemon.ts';
import { runConsole } from './machine-console.ts';
import { readMachinesUsage, runMachines } from './machines.ts';
import { readCaptureUsage, saveCapture } from './save-capture.ts';
import { sessionNumber } from './session-number.ts';

const HELP = `
Without a MAC: every machine that was seen, with its role and how far it came. With one: the timeline of its newest
boot: what it asked, what it was answered, and why. Where no daemon runs, the database is read.

Examples:
  $ sudo tinderbox machines
  $ sudo tinderbox machines 52:54:00:12:34:56
  $ sudo tinderbox machines 52:54:00:12:34:56 --follow     live, also before it is powered on
  $ sudo tinderbox machines 52:54:00:12:34:56 --pcap boot.pcap     its last packets, for Wireshark
  $ sudo tinderbox machines 52:54:00:12:34:56 --console    what its iPXE and its kernel print; --follow goes on
  $ sudo tinderbox machines --format ansible > inventory/hosts.yaml     for Kubespray and one's own playbooks`;

/** `ansible-json`: what an inventory script prints. */
const FORMATS = ['table', 'json', 'ansible', 'ansible-json'] as const;

interface MachinesFlags {
  readonly session?: string;
  readonly follow?: boolean;
  readonly console?: boolean;
  readonly json?: boolean;
  readonly pcap?: string;
  readonly format?: (typeof FORMATS)[number];
}

export function addMachinesCommand(program: Command, context: CliContext): void {
  program
    .command('machines')
    .description('who was seen, how far each came, and why')
    .argument('[mac]', 'one machine')
    .option('--session <number>', 'an older boot')
    .option('--follow', 'go on printing what happens')
    .option('--pcap <file>', 'write its last packets to this file; a dash for stdout')
    .option('--console', 'what the machine itself prints, by syslog')
    .addOption(new Option('--format <format>', 'print it as this').choices(FORMATS))
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(async (mac: string | undefined, flags: MachinesFlags, command: Command) => {
      const format = readFormat(mac, flags);
      const capture = readCaptureUsage(mac, flags);
      const args = {
        ...(mac === undefined ? {} : { mac }),
        ...(flags.session === undefined ? {} : { session: sessionNumber(flags.session) }),
        json: format === 'json',
        follow: flags.follow === true,
      };
      const machine = readMachinesUsage(args);
      if (flags.console === true) {
        const one = requireOne(machine, flags);
        const client = await findDaemon(await readConfig(command, context));
        if (client === undefined) throw noConsole(one);
        return await runConsole(one, args, { client, out: context.out });
      }
      const config = await readConfig(command, context);
      if (format === 'ansible' || format === 'ansible-json') return printAnsible(config, format, context);
      const deps = { out: context.out, now: Date.now() };
      const daemon = await findDaemon(config);
      if (capture !== undefined) return saveCapture(daemon, capture, context);
      if (daemon !== undefined) return runMachines(args, { ...deps, client: daemon });
      await using client = await openOfflineClient(config);
      context.err('tinderbox is not running; this is what its database holds\n');
      return await runMachines(args, { ...deps, client });
    });
}

function requireOne(mac: Mac | undefined, { session }: MachinesFlags): Mac {
  if (mac === undefined) throw usageError('--console needs a MAC');
  if (session !== undefined) {
    throw usageError(
      '--console is of all boots',
      'Leave out --session; its timeline has the lines that were recorded of it.',
    );
  }
  return mac;
}

function noConsole(mac: Mac): TinderboxError {
  return new TinderboxError('unavailable', 'tinderbox is not running, and consoles are in its memory only', {
    remedy: `What was recorded of it stands in its timeline: tinderbox machines ${mac}`,
  });
}

function readFormat(mac: string | undefined, flags: MachinesFlags): (typeof FORMATS)[number] {
  const format = flags.format ?? (flags.json === true ? 'json' : 'table');
  if (flags.json === true && format !== 'json')
    throw usageError(`--json and --format ${format} exclude each other`);
  const whole = mac === undefined && flags.session === undefined && flags.follow !== true;
  if (format.startsWith('ansible') && !whole) {
    throw usageError(`--format ${format} is of all machines`, 'Leave out the MAC, --session and --follow.');
  }
  return format;
}
