import type { Command } from 'commander';
import type { AssignRequest } from '../admin/api.ts';
import { type Assigned, assignInProfiles } from '../catalog/assign-in-profiles.ts';
import type { Config } from '../config/port.ts';
import { editAsOwner } from '../edit-as-owner.ts';
import { catalogCheck, presentInterfaces } from '../preflight.ts';
import { checkRoleTemplates } from '../render/check-templates.ts';
import { type CliContext, readConfig, requireMac } from './context.ts';
import { describeNodeChange } from './describe-node-change.ts';
import { editThroughDaemon } from './find-editor.ts';
import { requireAddress } from './require-address.ts';
import { requireHostname } from './require-hostname.ts';

const HELP = `
Edits profiles/machines.yaml in place: comments and order stay, and an edit that would break it is not written.
The running daemon makes the edit, and its audit trail says who asked (tinderbox audit); where none runs, this does.
The machine gets the new role at its next boot.

Example:
  $ sudo tinderbox assign 52:54:00:12:34:56 worker --hostname node-7 --address 10.77.0.20`;

interface AssignFlags {
  readonly hostname?: string;
  readonly address?: string;
  readonly json?: boolean;
}

export function addAssignCommand(program: Command, context: CliContext): void {
  program
    .command('assign')
    .description('give a machine its role, in profiles/machines.yaml')
    .argument('<mac>', 'the machine')
    .argument('<role>', 'a folder of profiles/')
    .option('--hostname <name>', 'its hostname')
    .option('--address <address>', 'its reserved address')
    .option('--json', 'print the change as JSON')
    .addHelpText('after', HELP)
    .action(async (macText: string, role: string, flags: AssignFlags, command: Command) => {
      const mac = requireMac(macText);
      if (flags.address !== undefined) requireAddress(flags.address);
      if (flags.hostname !== undefined) requireHostname(flags.hostname);
      const config = await readConfig(command, context);
      const { hostname, address } = flags;
      const change = {
        mac,
        role,
        ...(hostname === undefined ? {} : { hostname }),
        ...(address === undefined ? {} : { address }),
      };
      const assigned = await editThroughDaemon(
        config,
        context,
        async (daemon) => {
          const { before, changed } = await daemon.assign(change);
          return { ...(before === undefined ? {} : { before }), after: role, changed };
        },
        () => assignByOneself(config, change),
      );
      if (flags.json === true) return context.out(`${JSON.stringify({ mac, ...assigned })}\n`);
      const before = assigned.before === undefined ? '' : ` (was ${assigned.before})`;
      context.out(
        assigned.changed
          ? `${mac} is now ${role}${before}; it takes effect at its next boot.\n`
          : `${mac} is ${role} already.\n`,
      );
      if (assigned.changed) context.out(await describeNodeChange(config, change));
    });
}

async function assignByOneself(config: Config, change: AssignRequest): Promise<Assigned> {
  const options = {
    ...change,
    dir: config.paths.profiles,
    checkRole: checkRoleTemplates,
    checkCatalog: catalogCheck(config, await presentInterfaces(config)),
  };
  return editAsOwner(options.dir, (place) => assignInProfiles({ ...options, ...place }));
}
