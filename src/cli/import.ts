import { resolve } from 'node:path';
import type { Command } from 'commander';
import { formatProblem } from '../errors.ts';
import { type ImportResult, importMatchbox } from '../import-matchbox.ts';
import { type CliContext, readConfig } from './context.ts';

const HELP = `
Reads groups, profiles and templates (ignition, cloud, generic) of matchbox's data folder, and writes roles, rules and
entries of machines.yaml. A role or an entry that is there already is not touched. What cannot be converted is listed with its
place and what to do by hand. If profiles/ would have errors with it, nothing is written. See docs/matchbox.md.

Examples:
  $ sudo tinderbox import matchbox /var/lib/matchbox --dry-run
  $ sudo tinderbox import matchbox /var/lib/matchbox
  $ tinderbox import matchbox ./matchbox --to ./profiles`;

interface ImportFlags {
  readonly to?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function addImportCommand(program: Command, context: CliContext): void {
  const command = program.command('import').description('take over what another boot server was given');
  command
    .command('matchbox')
    .description("matchbox's groups, profiles and templates, as roles and rules")
    .argument('<folder>', "matchbox's -data-path")
    .option('--to <folder>', 'default: paths.profiles of tinderbox.yaml')
    .option('--dry-run', 'only say what would be written')
    .option('--json', 'print it as JSON')
    .addHelpText('after', HELP)
    .action(async (folder: string, flags: ImportFlags, own: Command) => {
      const to = flags.to === undefined ? (await readConfig(own, context)).paths.profiles : resolve(flags.to);
      const result = await importMatchbox({ from: resolve(folder), to, dryRun: flags.dryRun === true });
      if (hasErrors(result)) context.fail();
      context.out(flags.json === true ? `${JSON.stringify(result, null, 2)}\n` : formatImport(result));
    });
}

function hasErrors({ problems }: ImportResult): boolean {
  return problems.some(({ severity }) => severity === 'error');
}

function formatImport(result: ImportResult): string {
  const { to, written, roles, added, kept, notes, problems } = result;
  const what = [
    `${roles.length} role(s)${roles.length === 0 ? '' : `: ${roles.join(', ')}`}`,
    `${added.machines} machine(s), ${added.rules} rule(s)${added.default ? ', the default' : ''}`,
  ].join('; ');
  const lines = [
    ...problems.map((problem) => `${problem.severity}: ${formatProblem(problem)}`),
    ...notes.map(
      ({ file, line, message, todo }) =>
        `by hand: ${file}${line === undefined ? '' : `:${line}`}: ${message}\n    ${todo}`,
    ),
    ...kept.map((text) => `kept: ${text}`),
    hasErrors(result)
      ? `nothing was written: ${to} would have these errors. Mend matchbox's files, or import with --to into an empty folder`
      : `${written ? 'written to' : 'would write to'} ${to}: ${what}`,
    ...(written ? ['next: tinderbox check'] : []),
  ];
  return `${lines.map(shown).join('\n')}\n`;
}

/** What stands in files of others is not the terminal's to act on. */
function shown(line: string): string {
  return line.replace(/(?!\n)[\p{C}\u2028\u2029]/gu, '');
}
