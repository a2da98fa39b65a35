import { type Command, Option } from 'commander';
import { brokenCatalog } from '../catalog/catalog-holder.ts';
import { loadCatalog } from '../catalog/load-catalog.ts';
import { previewMachine } from '../preview.ts';
import { checkRoleTemplates } from '../render/check-templates.ts';
import { type CliContext, readConfig, requireMac } from './context.ts';
import { readKnownFacts } from './known-facts.ts';

const HELP = `
Prints what would be served if the machine asked now, by the files as they are. What the daemon knows of the
machine (serial, architecture, …) is taken into account; where none runs, its database is read. Session URLs read /boot/preview/…

Examples:
  $ tinderbox render 52:54:00:12:34:56
  $ tinderbox render 52:54:00:12:34:56 --only config > cloud-config.yaml`;

export function addRenderCommand(program: Command, context: CliContext): void {
  program
    .command('render')
    .description('what a machine would be served')
    .argument('<mac>', 'the machine')
    .addOption(new Option('--only <part>', 'print one part, nothing else').choices(['script', 'config']))
    .option('--json', 'print role, hostname, reasons and both parts as JSON')
    .addHelpText('after', HELP)
    .action(
      async (macText: string, flags: { only?: 'script' | 'config'; json?: boolean }, command: Command) => {
        const mac = requireMac(macText);
        const config = await readConfig(command, context);
        const dir = config.paths.profiles;
        const { catalog, problems } = await loadCatalog(dir, {
          generation: 1,
          checkRole: checkRoleTemplates,
        });
        if (catalog === undefined) throw brokenCatalog(dir, problems);
        const { facts, holders, places, unknown } = await readKnownFacts(config, mac);
        if (unknown !== undefined) {
          context.err(`without what is known of the machine: ${unknown.message}\n`);
        }
        const preview = await previewMachine(config, catalog, facts, holders, places);
        if (flags.json === true) return context.out(`${JSON.stringify({ mac, ...preview }, null, 2)}\n`);
        if (flags.only === 'script') return context.out(preview.script);
        if (flags.only === 'config') return context.out(preview.config ?? '');
        const why = preview.reasons.map((reason) => `# ${reason}\n`).join('');
        const configPart =
          preview.config === undefined ? '# (the role has no configuration)\n' : preview.config;
        context.out(
          `# ${mac}: ${preview.hostname}, role ${preview.role}\n${why}\n${preview.script}\n${configPart}`,
        );
      },
    );
}
