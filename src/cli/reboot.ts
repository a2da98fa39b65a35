import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../document/parse-units.ts';
import { TinderboxError } from '../errors.ts';
import type { Mac } from '../machine/mac.ts';
import { type CliContext, readConfig, requireMac } from './context.ts';
import { usageError } from './exit.ts';
import { findDaemon } from './find-daemon.ts';
import { type FleetRow, fleetRow, orderRows } from './fleet-rows.ts';
import { plain } from './format-timeline.ts';
import { notRunning } from './power.ts';
import { readAllMachines } from './read-all-machines.ts';
import { readCatalog } from './read-catalog.ts';
import { type RebootOutcome, rebootMachines } from './reboot-machines.ts';

const HELP = `
Turns machines off and on by what stands under \`power:\` of their entries in machines.yaml, as many at one time as
--max-unavailable says, and waits for each until it is \`ready\`, or \`booted\` where there is no cluster, before the next.
Those that are not up now come first. Stops at the first that fails. Ctrl-C starts no further one; those under way boot on
by themselves. Nodes are not drained: kubectl drain does that.

Examples:
  $ sudo tinderbox reboot --role worker --dry-run
  $ sudo tinderbox reboot --role worker --max-unavailable 2
  $ sudo tinderbox reboot 52:54:00:12:34:56 52:54:00:12:34:57 --timeout 20m`;

interface RebootFlags {
  readonly role?: string;
  readonly maxUnavailable: number;
  readonly timeout: number;
  readonly keepGoing?: boolean;
  readonly pxe: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function addRebootCommand(program: Command, context: CliContext): void {
  program
    .command('reboot')
    .description('reboot machines one after another, each until it is up')
    .argument('[mac...]', 'these machines')
    .option('--role <role>', 'all machines whose newest boot had this role')
    .option('--max-unavailable <number>', 'as many at one time', readCount, 1)
    .option('--timeout <time>', 'how long each may take: 900 (seconds), 20m', readTime, 900)
    .option('--keep-going', 'go on where one fails')
    .option('--no-pxe', 'leave the boot order alone')
    .option('--dry-run', 'say which, and in which order')
    .option('--json', 'print each step as one line of JSON')
    .addHelpText('after', HELP)
    .action(async (macs: readonly string[], flags: RebootFlags, command: Command) => {
      if ((macs.length === 0) === (flags.role === undefined))
        throw usageError('give the MACs of machines, or --role ROLE');
      const wanted = new Set(macs.map(requireMac));
      const config = await readConfig(command, context);
      const client = await findDaemon(config);
      if (client === undefined) throw notRunning();
      const rows = (await readAllMachines(client)).machines.map(fleetRow);
      const chosen = rows.filter(
        ({ mac, role }) => wanted.has(mac) || (wanted.size === 0 && role === flags.role),
      );
      for (const mac of wanted) {
        if (!chosen.some((row) => row.mac === mac))
          throw new TinderboxError('not-found', `${mac} was never seen`);
      }
      const { machines } = await readCatalog(config);
      const kindOf = (mac: Mac) => machines.get(mac)?.power?.kind;
      // Wake-on-LAN turns nothing off.
      refuseWithoutPower(chosen.filter(({ mac }) => [undefined, 'wake-on-lan'].includes(kindOf(mac))));
      const ordered = orderRows(chosen);
      const say = sayer(flags, context);
      if (ordered.length === 0) return say({ kind: 'none' }, 'no machine is to be rebooted');
      if (flags.dryRun === true) {
        for (const row of ordered)
          say(
            { kind: 'would', mac: row.mac },
            `${describe(row)}  would be turned off and on by ${kindOf(row.mac)}`,
          );
        return;
      }
      const stop = new AbortController();
      const onSignal = (): void => stop.abort();
      process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
      try {
        const outcome = await rebootMachines({
          machines: ordered,
          atOnce: Math.min(flags.maxUnavailable, ordered.length),
          patience: flags.timeout * 1000,
          keepGoing: flags.keepGoing === true,
          pxe: flags.pxe,
          client,
          signal: stop.signal,
          onStep: ({ mac, state, detail }) =>
            say({ kind: 'step', mac, state, detail }, `${mac}  ${state.padEnd(6)}  ${detail}`),
        });
        say({ kind: 'outcome', ...outcome }, summarise(outcome, ordered.length));
        if (outcome.up.length < ordered.length) context.fail();
      } finally {
        process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
      }
    });
}

type Say = (value: Readonly<Record<string, unknown>>, text: string) => void;

function sayer({ json }: RebootFlags, context: CliContext): Say {
  return (value, text) =>
    context.out(
      json === true ? `${JSON.stringify({ at: Date.now(), ...value })}\n` : `${plainLines(text)}\n`,
    );
}

function plainLines(text: string): string {
  return text.split('\n').map(plain).join('\n');
}

function describe({ mac, hostname, role, state }: FleetRow): string {
  return [mac, hostname ?? '-', role ?? '-', state].join('  ');
}

/** Before the first is turned off: half of a role that cannot go on is worse than none. */
function refuseWithoutPower(rows: readonly FleetRow[]): void {
  const [first] = rows;
  if (first === undefined) return;
  const names = rows.slice(0, 5).map(({ mac }) => mac);
  const more = rows.length > names.length ? ` and ${rows.length - names.length} more` : '';
  throw new TinderboxError('refused', `nobody can turn ${names.join(', ')}${more} off and on`, {
    remedy:
      'Say how under `power:` of its entry in machines.yaml: redfish or ipmitool; or name the others by MAC.',
  });
}

function listed(label: string, macs: readonly string[]): readonly string[] {
  return macs.length === 0 ? [] : [`  ${label}: ${macs.join(', ')}`];
}

function summarise({ up, failed, underWay, notStarted }: RebootOutcome, all: number): string {
  return [
    `${up.length} of ${all} are up again`,
    ...listed('failed', failed),
    ...listed('under way, they boot on by themselves', underWay),
    ...listed('not started', notStarted),
  ].join('\n');
}

function readCount(text: string): number {
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (count < 1) throw new InvalidArgumentError('Write a number from 1 to 999.');
  return count;
}

function readTime(text: string): number {
  const seconds = parseDuration(text) ?? 0;
  if (seconds < 1 || seconds > 86_400) throw new InvalidArgumentError('Write a time up to 1d: 15m.');
  return seconds;
}
