import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { formatProblem, type Problem, TinderboxError } from '../errors.ts';
import { type Preflight, runPreflight } from '../preflight.ts';
import { type CliContext, locateConfig } from './context.ts';

const HELP = `
Looks at the configuration, profiles/, the interfaces, the boot files of each architecture, and the assets that roles
refer to, and the cluster's authorities. Changes nothing; may be run beside a running daemon. An authority that has
expired, or a clock that cannot be right, is an error here although the daemon starts: no certificate can be issued.
So is an interface that is not there or has no address: the daemon starts and waits for it.

Example:
  $ sudo tinderbox check --config /etc/tinderbox/tinderbox.yaml`;

type BootFileRow = ReturnType<Preflight['bootFileIndex']['rows']>[number];

export function addCheckCommand(program: Command, context: CliContext): void {
  program
    .command('check')
    .description('everything that is wrong, at once, each with its remedy')
    .option('--json', 'print the problems as JSON')
    .addHelpText('after', HELP)
    .action(async ({ json }: { json?: boolean }, command: Command) => {
      const { problems, bootFiles } = await inspect(command, context);
      const errors = problems.filter(({ severity }) => severity === 'error');
      if (errors.length > 0) context.fail();
      if (json === true)
        return context.out(`${JSON.stringify({ ok: errors.length === 0, problems, bootFiles }, null, 2)}\n`);
      for (const problem of problems) context.out(`${problem.severity}: ${formatProblem(problem)}\n`);
      if (bootFiles.length > 0) context.out(formatBootFiles(bootFiles));
      const warnings = problems.length - errors.length;
      context.out(`${errors.length} error(s), ${warnings} warning(s)\n`);
    });
}

async function inspect(
  command: Command,
  context: CliContext,
): Promise<{ problems: readonly Problem[]; bootFiles: readonly BootFileRow[] }> {
  const file = await locateConfig(command, context);
  try {
    const { config, warnings } = await loadConfig(file);
    const { problems, waiting, issuing, bootFileIndex } = await runPreflight(config);
    return { problems: [...warnings, ...waiting, ...problems, ...issuing], bootFiles: bootFileIndex.rows() };
  } catch (error) {
    // Without a configuration nothing else can be looked at.
    if (error instanceof TinderboxError && error.problems.length > 0)
      return { problems: error.problems, bootFiles: [] };
    throw error;
  }
}

function formatBootFiles(rows: readonly BootFileRow[]): string {
  const lines = rows
    .filter(({ file }) => file !== undefined)
    .map(({ label, architecture, file, path }) => {
      const place = path ?? (file === undefined ? 'no loader configured' : `missing: ${file}`);
      return `  ${label.padEnd(30)} ${architecture.padEnd(18)} ${place}\n`;
    });
  return `boot files:\n${lines.join('')}`;
}
