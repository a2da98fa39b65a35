import type { Command } from 'commander';
import type { AdminClient } from '../admin/client.ts';
import type { DoctorFinding, DoctorReport } from '../admin/doctor-api.ts';
import type { FindingState } from '../boot/finding.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/port.ts';
import { formatProblem, type Problem, TinderboxError, toTinderboxError } from '../errors.ts';
import { openOfflineClient } from '../offline-client.ts';
import { runDoctor } from '../run-doctor.ts';
import { type CliContext, locateConfig } from './context.ts';
import { findDaemon } from './find-daemon.ts';
import { plain } from './format-timeline.ts';
import { readAllMachines } from './read-all-machines.ts';

const HELP = `
Looks at everything that an operator would look at when nothing boots: the daemon and its service, the files, interfaces,
ports and who holds them, the firewall, other DHCP servers on the wire, loaders, kernels and initrds, the configuration of
every machine, certificates, the clock, disks, and machines that are stalled. Changes nothing. Works beside a running
daemon and without one; as root it sees more. Takes about six seconds, in which it asks for other DHCP servers.

Exit code: 0 ok, or nothing worse than warnings; 1 problems.

Examples:
  $ sudo tinderbox doctor
  $ sudo tinderbox doctor --json | jq '.findings[] | select(.state == "problem")'`;

export function addDoctorCommand(program: Command, context: CliContext): void {
  program
    .command('doctor')
    .description('why nothing boots: looks at everything, and says what to do')
    .option('--json', 'print it as JSON')
    .option('--quiet', 'only what is not well')
    .addHelpText('after', HELP)
    .action(async ({ json, quiet }: { json?: boolean; quiet?: boolean }, command: Command) => {
      const report = await examine(command, context);
      if (!report.ok) context.fail();
      context.out(
        json === true ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report, quiet === true),
      );
    });
}

async function examine(command: Command, context: CliContext): Promise<DoctorReport> {
  const file = await locateConfig(command, context);
  let loaded: Awaited<ReturnType<typeof loadConfig>>;
  try {
    loaded = await loadConfig(file);
  } catch (thrown) {
    // Without a configuration nothing else can be looked at.
    if (thrown instanceof TinderboxError && thrown.problems.length > 0) return brokenReport(thrown.problems);
    throw thrown;
  }
  const { config, warnings } = loaded;
  for (const warning of warnings) context.err(`warning: ${formatProblem(warning)}\n`);
  const daemon = await findDaemon(config);
  if (daemon !== undefined) return lookWith(config, daemon, true);
  try {
    await using offline = await openOfflineClient(config);
    return await lookWith(config, offline, false);
  } catch (thrown) {
    const { code } = toTinderboxError(thrown);
    // None before the first start, or one that may not be read: what else there is to say is said.
    if (code === 'internal') throw thrown;
    return lookWith(config, undefined, false);
  }
}

async function lookWith(
  config: Config,
  client: AdminClient | undefined,
  running: boolean,
): Promise<DoctorReport> {
  return runDoctor({
    config,
    status: running ? await client?.status() : undefined,
    inDaemon: false,
    machines: async () => (client === undefined ? [] : (await readAllMachines(client)).machines),
    admissions: async () => (client === undefined ? { admissions: [], onceUses: [] } : client.admissions()),
    now: Date.now(),
  });
}

function brokenReport(problems: readonly Problem[]): DoctorReport {
  const findings = problems.map((each): DoctorFinding => {
    const { remedy, ...rest } = each;
    const state = each.severity === 'error' ? 'problem' : 'warning';
    return {
      check: 'configuration',
      state,
      text: formatProblem(rest),
      ...(remedy === undefined ? {} : { remedy }),
    };
  });
  return { ok: false, at: Date.now(), running: false, findings };
}

const WORDS: Readonly<Record<FindingState, string>> = {
  ok: 'ok',
  warning: 'WARNING',
  problem: 'PROBLEM',
  skipped: 'skipped',
};

/**
 *     PROBLEM  assets         /assets/vmlinuz is an HTML page …
 *                             → Get it again …
 */
export function formatReport({ findings }: DoctorReport, quiet: boolean): string {
  const margin = ' '.repeat(24);
  const lines = findings
    .filter(({ state }) => !quiet || state === 'problem' || state === 'warning')
    .flatMap(({ check, state, text, remedy }) => [
      `${WORDS[state].padEnd(9)}${check.padEnd(15)}${plain(text)}`,
      ...(remedy === undefined ? [] : [`${margin}→ ${plain(remedy)}`]),
    ]);
  const count = (wanted: FindingState) => findings.filter(({ state }) => state === wanted).length;
  const left = count('skipped') === 0 ? '' : `, ${count('skipped')} not looked at`;
  return `${lines.join('\n')}\n${count('problem')} problem(s), ${count('warning')} warning(s)${left}\n`;
}
