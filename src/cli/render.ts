import type { Command } from 'commander';
import { TinderboxError } from '../errors.ts';
import { previewMachine } from '../preview.ts';
import { type CliContext, readConfig, requireMac } from './context.ts';
import { usageError } from './exit.ts';
import { readKnownFacts } from './known-facts.ts';
import { readCatalog } from './read-catalog.ts';
import { printRole, type RoleFlags, readRoleUsage } from './render-role.ts';

const HELP = `
With a MAC: prints what would be served if the machine asked now, by the files as they are. What the daemon knows of the
machine (serial, architecture, …) is taken into account; where none runs, its database is read. Session URLs read
/boot/preview/…, and certificates and keys are samples. The script is iPXE's; GRUB's is printed by --only grub.

With --role and --out: writes the role's files, units, certificates and keys for a host that is installed already, this
one unless --hostname and --address say otherwise, and a script install.sh that puts them in place: read it, then run it.
Runs on the master, as root or as the user that tinderbox runs as, since it issues certificates.

Examples:
  $ sudo tinderbox render 52:54:00:12:34:56
  $ sudo tinderbox render 52:54:00:12:34:56 --only config > cloud-config.yaml
  $ sudo tinderbox render 52:54:00:12:34:56 --only nocloud/meta-data
  $ sudo tinderbox render 52:54:00:12:34:56 --only grub
  $ sudo tinderbox render --role controller --out ./master
  $ sudo tinderbox render --role etcd --out ./etcd-2 --hostname etcd-2 --address 10.77.0.12 --parameter etcdDisk=none`;

interface RenderFlags extends RoleFlags {
  readonly only?: string;
}

export function addRenderCommand(program: Command, context: CliContext): void {
  program
    .command('render')
    .description('what a machine would be served; or a role, for a host that is installed')
    .argument('[mac]', 'the machine')
    .option('--only <part>', 'print one part, nothing else: script, grub, config, or a file by its path')
    .option('--role <role>', 'render this role for a host')
    .option('--out <folder>', 'with --role: write it there')
    .option('--hostname <name>', "with --role: the host's name; default: this host's")
    .option('--address <address>', "with --role: the host's address")
    .option('--parameter <name=value...>', "with --role: in the place of the role's own")
    .option('--force', 'with --role: also into a folder that is not empty, and over edited files')
    .option('--json', 'print it as JSON')
    .addHelpText('after', HELP)
    .action(async (macText: string | undefined, flags: RenderFlags, command: Command) => {
      const role = readRoleUsage(macText, flags);
      if (role !== undefined) {
        const config = await readConfig(command, context);
        return printRole(config, await readCatalog(config), role, context);
      }
      if (macText === undefined) {
        throw usageError('give the MAC of a machine, or a role: --role ROLE --out FOLDER');
      }
      await printMachine(macText, flags, command, context);
    });
}

async function printMachine(
  macText: string,
  flags: RenderFlags,
  command: Command,
  context: CliContext,
): Promise<void> {
  const mac = requireMac(macText);
  const config = await readConfig(command, context);
  const catalog = await readCatalog(config);
  const { facts, holders, memory, unknown } = await readKnownFacts(config, mac);
  if (unknown !== undefined) context.err(`without what is known of the machine: ${unknown.message}\n`);
  const preview = await previewMachine(config, catalog, facts, holders, memory);
  if (flags.json === true) return context.out(`${JSON.stringify({ mac, ...preview }, null, 2)}\n`);
  if (flags.only === 'script') return context.out(preview.script);
  if (flags.only === 'grub') {
    if ('script' in preview.grub) return context.out(preview.grub.script);
    throw new TinderboxError(
      'invalid-template',
      `GRUB cannot boot role ${preview.role}: ${preview.grub.problem}`,
    );
  }
  if (flags.only === 'config') return context.out(preview.config ?? '');
  if (flags.only !== undefined) {
    const file = preview.files.find(({ path }) => path === flags.only);
    if (file === undefined) {
      const parts = ['script', 'grub', 'config', ...preview.files.map(({ path }) => path)].join(', ');
      throw usageError(`role ${preview.role} gives no ${flags.only}`, `It gives: ${parts}.`);
    }
    return context.out(file.text);
  }
  const why = preview.reasons.map((reason) => `# ${reason}\n`).join('');
  const configPart = preview.config === undefined ? '# (the role has no configuration)\n' : preview.config;
  const files = preview.files.map(({ path, text }) => `\n# --- ${path} ---\n${text}`).join('');
  context.out(
    `# ${mac}: ${preview.hostname}, role ${preview.role}\n${why}\n${preview.script}\n${configPart}${files}`,
  );
}
