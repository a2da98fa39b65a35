import type { Command } from 'commander';
import type { AssignRequest } from '../admin/api.ts';
import { type Assigned, assignInProfiles, roleChange } from '../catalog/assign-in-profiles.ts';
import type { Config } from '../config/port.ts';
import { editAsOwner } from '../edit-as-owner.ts';
import { TinderboxError } from '../errors.ts';
import type { Mac } from '../machine/mac.ts';
import { catalogCheck, presentInterfaces } from '../preflight.ts';
import { checkRoleTemplates } from '../render/check-templates.ts';
import { type CliContext, readConfig, requireMac } from './context.ts';
import { describeNodeChange } from './describe-node-change.ts';
import { usageError } from './exit.ts';
import { editThroughDaemon } from './find-editor.ts';
import { readKnownFacts } from './known-facts.ts';
import { requireAddress } from './require-address.ts';
import { requireHostname } from './require-hostname.ts';

const HELP = `
Edits profiles/machines.yaml in place: comments and order stay, and an edit that would break it is not written.
The running daemon makes the edit, and its audit trail says who asked (tinderbox audit); where none runs, this does.
The machine gets the new role at its next boot.

With --once it boots the role once, such as an installer: once a boot reports success it is again what it was. What does
not succeed is tried three times; then the machine waits on its screen. --once again starts over, also after success.
--no-once takes it back.

Examples:
  $ sudo tinderbox assign 52:54:00:12:34:56 worker --hostname node-7 --address 10.77.0.20
  $ sudo tinderbox assign 52:54:00:12:34:56 local
  $ sudo tinderbox assign 52:54:00:12:34:56 debian-install --once
  $ sudo tinderbox assign 52:54:00:12:34:56 --no-once`;

interface AssignFlags {
  readonly once?: boolean;
  readonly hostname?: string;
  readonly address?: string;
  readonly json?: boolean;
}

export function addAssignCommand(program: Command, context: CliContext): void {
  program
    .command('assign')
    .description('give a machine its role, in profiles/machines.yaml')
    .argument('<mac>', 'the machine')
    .argument('[role]', 'a folder of profiles/; needed but for --no-once')
    .option('--once', 'for its next boot, until one reports success; then it is again what it was')
    .option('--no-once', 'it boots nothing once any more')
    .option('--hostname <name>', 'its hostname')
    .option('--address <address>', 'its reserved address')
    .option('--json', 'print the change as JSON')
    .addHelpText('after', HELP)
    .action(async (macText: string, role: string | undefined, flags: AssignFlags, command: Command) => {
      const mac = requireMac(macText);
      const { hostname, address, once } = flags;
      if (role === undefined && once !== false) throw usageError('say which role: tinderbox assign MAC ROLE');
      if (address !== undefined) requireAddress(address);
      if (hostname !== undefined) requireHostname(hostname);
      const config = await readConfig(command, context);
      const change = {
        mac,
        ...(role === undefined ? {} : { role }),
        ...(once === undefined ? {} : { once }),
        ...(hostname === undefined ? {} : { hostname }),
        ...(address === undefined ? {} : { address }),
      };
      const assigned = await editThroughDaemon(
        config,
        context,
        async (daemon): Promise<Assigned> => {
          const { before, role: after, once: pending, changed } = await daemon.assign(change);
          return {
            ...(before === undefined ? {} : { before }),
            ...(after === undefined ? {} : { after }),
            ...(pending === undefined ? {} : { once: pending }),
            changed,
          };
        },
        () => assignByOneself(config, change),
      );
      if (flags.json === true) return context.out(`${JSON.stringify({ mac, ...assigned })}\n`);
      context.out(`${describeAssigned(mac, change, assigned)}\n`);
      if (assigned.changed && role !== undefined && once !== true)
        context.out(await describeNodeChange(config, { ...change, role }));
    });
}

function describeAssigned(mac: Mac, { role, once }: AssignRequest, assigned: Assigned): string {
  const { before, after = 'what rules and default say', changed } = assigned;
  if (once === true) {
    return changed
      ? `${mac} boots ${role} at its next boot, and is ${after} again once that has reported success.`
      : `${mac} boots ${role} at its next boot already, then ${after}.`;
  }
  if (role === undefined) {
    return changed
      ? `${mac} boots nothing once; it is ${after}.`
      : `${mac} had no \`once:\`; it is ${after}.`;
  }
  const pending = assigned.once === undefined ? '' : ` Before, it boots ${assigned.once} once.`;
  if (!changed) return `${mac} is ${role} already.${pending}`;
  const was = before === undefined ? '' : ` (was ${before})`;
  return `${mac} is now ${role}${was}; it takes effect at its next boot.${pending}`;
}

async function assignByOneself(config: Config, { role, once, ...change }: AssignRequest): Promise<Assigned> {
  if (once === true) await refuseIfBooted(config, change.mac, role);
  const options = {
    ...change,
    ...roleChange({ ...(role === undefined ? {} : { role }), ...(once === undefined ? {} : { once }) }),
    dir: config.paths.profiles,
    checkRole: checkRoleTemplates,
    checkCatalog: catalogCheck(config, await presentInterfaces(config)),
  };
  return editAsOwner(options.dir, (place) => assignInProfiles({ ...options, ...place }));
}

/** That it starts over is written into the database, which the daemon alone writes. */
async function refuseIfBooted(config: Config, mac: Mac, role: string | undefined): Promise<void> {
  const { memory, unknown } = await readKnownFacts(config, mac);
  if (unknown === undefined && memory.uses.useOf(mac)?.role !== role) return;
  throw new TinderboxError(
    'unavailable',
    unknown === undefined
      ? `${mac} has booted ${role} by its \`once:\` before: only the running daemon can have it start over`
      : `whether ${mac} has booted ${role} once before cannot be read: ${unknown.message}`,
    { remedy: 'Start it: sudo systemctl start tinderbox, or sudo tinderbox serve.' },
  );
}
