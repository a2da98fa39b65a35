import type { Command } from 'commander';
import type { ForgetView, NodeRemoval } from '../admin/api.ts';
import { loadCatalog } from '../catalog/load-catalog.ts';
import type { Config } from '../config/port.ts';
import { editAsOwner } from '../edit-as-owner.ts';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import { forgetEntry, leftOver, nodeNameOf } from '../forget-machine.ts';
import type { Mac } from '../machine/mac.ts';
import { openOfflineClient } from '../offline-client.ts';
import { presentInterfaces } from '../preflight.ts';
import { checkRoleTemplates } from '../render/check-templates.ts';
import { type CliContext, readConfig, requireMac } from './context.ts';
import { editThroughDaemon, findEditor } from './find-editor.ts';

const HELP = `
Removes its entry from profiles/machines.yaml and has the daemon forget its history, its hostname and its place with
a rule that admits so many. Its lease ends by itself. If it asks again, it is new. A machine that runs is not stopped.

Example:
  $ sudo tinderbox forget 52:54:00:12:34:56`;

export function addForgetCommand(program: Command, context: CliContext): void {
  program
    .command('forget')
    .description('remove a machine that is gone: its entry and its history')
    .argument('<mac>', 'the machine')
    .option('--json', 'print what was removed as JSON')
    .addHelpText('after', HELP)
    .action(async (macText: string, flags: { readonly json?: boolean }, command: Command) => {
      const mac = requireMac(macText);
      const config = await readConfig(command, context);
      const forgotten = await forget(config, mac, context);
      if (flags.json === true) return context.out(`${JSON.stringify(forgotten)}\n`);
      context.out(describe(forgotten));
    });
}

async function forget(config: Config, mac: Mac, context: CliContext): Promise<ForgetView> {
  const result = await editThroughDaemon(
    config,
    context,
    (daemon) => daemon.forget(mac),
    () => forgetByOneself(config, mac),
  );
  if (result.entry || result.place || result.history === 'forgotten') return result;
  if (result.history === 'kept') {
    throw new TinderboxError('unavailable', `${mac} has no entry, and tinderbox is not running`, {
      remedy: 'Start it: only the daemon can forget what it has seen of a machine.',
    });
  }
  throw new TinderboxError('not-found', `${mac} has no entry and was never seen`, {
    remedy: 'List the machines that were: tinderbox machines.',
  });
}

/** The file first: a machine that asks meanwhile is not let in by its old entry. */
async function forgetByOneself(config: Config, mac: Mac): Promise<ForgetView> {
  const interfaces = await presentInterfaces(config);
  const entry = await editAsOwner(config.paths.profiles, (place) =>
    forgetEntry(config, interfaces, mac, place),
  );
  const daemon = await findEditor(config);
  const forgotten = daemon === undefined ? await forgetOffline(config, mac) : await daemon.forget(mac);
  return { ...forgotten, entry: entry || forgotten.entry };
}

/** The daemon is the only writer of the database. */
async function forgetOffline(config: Config, mac: Mac): Promise<ForgetView> {
  const nothing = { mac, entry: false, place: false, history: 'none', nodes: [] } as const;
  try {
    await using client = await openOfflineClient(config);
    const { sessions } = await client.machine(mac);
    const { catalog } = await loadCatalog(config.paths.profiles, {
      generation: 1,
      checkRole: checkRoleTemplates,
    });
    const name = catalog === undefined ? undefined : nodeNameOf(config, catalog, sessions[0]);
    return { ...nothing, history: 'kept', nodes: name === undefined ? [] : [leftOver(name)] };
  } catch (thrown) {
    const error = toTinderboxError(thrown);
    // No database yet, or it does not know the machine; one that cannot be read may.
    return { ...nothing, history: error.code === 'not-found' ? 'none' : 'kept' };
  }
}

function describe({ mac, entry, place, history, nodes }: ForgetView): string {
  const lines = [
    entry ? `${mac} has no entry in machines.yaml any more.` : `${mac} had no entry in machines.yaml.`,
    {
      forgotten: 'Its history is forgotten; if it asks again, it is new.',
      none: 'It was never seen.',
      kept: `tinderbox is not running: its history stays until it does and is asked again (tinderbox forget ${mac}).`,
    }[history],
    ...(place ? ['The place that a rule had given it is free again.'] : []),
    ...nodes.map(describeNode),
  ];
  return `${lines.join('\n')}\n`;
}

function describeNode({ name, state, command, problem }: NodeRemoval): string {
  switch (state) {
    case 'deleted':
      return `Its Node ${name} was deleted.`;
    case 'absent':
      return `There was no Node ${name}.`;
    case 'left':
      return `${problem === undefined ? '' : `${problem}\n`}Its Node may be left over: ${command}`;
  }
}
