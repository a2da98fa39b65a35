import type { Command } from 'commander';
import type { ApproveRequest } from '../admin/api.ts';
import { type Approved, approveMachine } from '../approve-machine.ts';
import type { Config } from '../config/port.ts';
import { editAsOwner } from '../edit-as-owner.ts';
import { openOfflineClient } from '../offline-client.ts';
import { presentInterfaces } from '../preflight.ts';
import { type CliContext, readConfig, requireMac } from './context.ts';
import { describeNodeChange } from './describe-node-change.ts';
import { usageError } from './exit.ts';
import { findDaemon } from './find-daemon.ts';
import { editThroughDaemon } from './find-editor.ts';
import { formatWaiting, waitingOf } from './format-waiting.ts';
import { readKnownFacts } from './known-facts.ts';
import { readAllMachines } from './read-all-machines.ts';
import { requireAddress } from './require-address.ts';
import { requireHostname } from './require-hostname.ts';

const HELP = `
Without a MAC: the machines that wait for approval. With one: gives it an entry in profiles/machines.yaml, as assign
does; without --role the rules and the default go on deciding what it boots. It asks every few seconds, so that it
boots at once.

Examples:
  $ sudo tinderbox approve                                 who waits
  $ sudo tinderbox approve 52:54:00:12:34:56
  $ sudo tinderbox approve 52:54:00:12:34:56 --role worker --hostname node-7`;

interface ApproveFlags {
  readonly role?: string;
  readonly hostname?: string;
  readonly address?: string;
  readonly json?: boolean;
}

export function addApproveCommand(program: Command, context: CliContext): void {
  program
    .command('approve')
    .description('let a machine in that waits, or list those that do')
    .argument('[mac]', 'the machine')
    .option('--role <role>', 'a folder of profiles/')
    .option('--hostname <name>', 'its hostname')
    .option('--address <address>', 'its reserved address')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(async (mac: string | undefined, flags: ApproveFlags, command: Command) => {
      if (mac === undefined) await listWaiting(flags, command, context);
      else await approve(mac, flags, command, context);
    });
}

async function listWaiting(flags: ApproveFlags, command: Command, context: CliContext): Promise<void> {
  const { json, role, hostname, address } = flags;
  if ((role ?? hostname ?? address) !== undefined) {
    throw usageError(
      'which machine?',
      'Write tinderbox approve MAC --role ROLE; without options it lists who waits.',
    );
  }
  const config = await readConfig(command, context);
  const print = async (client: Parameters<typeof readAllMachines>[0]): Promise<void> => {
    const waiting = waitingOf(await readAllMachines(client));
    context.out(json === true ? `${JSON.stringify(waiting)}\n` : formatWaiting(waiting, Date.now()));
  };
  const daemon = await findDaemon(config);
  if (daemon !== undefined) return print(daemon);
  await using offline = await openOfflineClient(config);
  context.err('tinderbox is not running; this is what its database holds\n');
  await print(offline);
}

async function approve(
  macText: string,
  flags: ApproveFlags,
  command: Command,
  context: CliContext,
): Promise<void> {
  const mac = requireMac(macText);
  const { json, role, hostname, address } = flags;
  if (address !== undefined) requireAddress(address);
  if (hostname !== undefined) requireHostname(hostname);
  const config = await readConfig(command, context);
  const request = {
    mac,
    ...(role === undefined ? {} : { role }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(address === undefined ? {} : { address }),
  };
  const { seen, isKnown, ...approved } = await editThroughDaemon(
    config,
    context,
    async (daemon) => {
      const { file: _, mac: __, ...view } = await daemon.approve(request);
      return { ...view, isKnown: true };
    },
    () => approveByOneself(config, request, context),
  );
  if (json === true) return context.out(`${JSON.stringify({ mac, ...approved, seen })}\n`);
  const what = `${approved.hostname}, role ${approved.role}`;
  context.out(
    approved.changed
      ? `${mac} is approved: ${what}; if it waits, it boots in a few seconds.\n`
      : `${mac} is approved already: ${what}.\n`,
  );
  const change = { mac, role: approved.role, hostname, address };
  if (approved.changed) context.out(await describeNodeChange(config, change));
  if (!seen && isKnown) context.out(`Note: ${mac} was never seen here; is that its MAC?\n`);
}

/** Not `isKnown`: whether it was ever seen cannot be said. */
async function approveByOneself(
  config: Config,
  request: ApproveRequest,
  context: CliContext,
): Promise<Approved & { readonly seen: boolean; readonly isKnown: boolean }> {
  const { facts, seen, holders, memory, unknown } = await readKnownFacts(config, request.mac);
  if (unknown !== undefined) context.err(`without what is known of the machine: ${unknown.message}\n`);
  const options = {
    ...request,
    config,
    interfaces: await presentInterfaces(config),
    facts: seen ? facts : undefined,
    uses: memory.uses,
    holderOf: (name: string) => holders.get(name),
  };
  const approved = await editAsOwner(config.paths.profiles, (place) =>
    approveMachine({ ...options, ...place }),
  );
  return { ...approved, seen, isKnown: unknown === undefined };
}
