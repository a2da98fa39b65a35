import { existsSync } from 'node:fs';
import { describeDhcpServer } from '../boot/dhcp-probe.ts';
import { SYSTEM_CONFIG_FILE } from '../config/load.ts';
import type { ProfileCopy } from '../copy-profiles.ts';
import { formatProblem, type Problem } from '../errors.ts';
import type { Interview } from './init-interview.ts';

const UNITS = ['/etc/systemd/system/tinderbox.service', '/usr/lib/systemd/system/tinderbox.service'];

export interface InitOutcome extends Pick<Interview, 'answers' | 'surveys'> {
  readonly file: string;
  readonly text: string;
  readonly dryRun: boolean;
  readonly written: readonly string[];
  /** Drop-ins of units that an earlier init wrote, and this one has not. */
  readonly removed: readonly string[];
  readonly backup?: string;
  readonly profiles: ProfileCopy;
  /** Of machines.yaml; null: none. */
  readonly defaultRole: string | null;
  readonly warnings: readonly string[];
  readonly missing: readonly Problem[];
}

/** What a program reads of it. */
export function toJson(outcome: InitOutcome, steps: readonly string[]): string {
  const {
    file,
    dryRun,
    written,
    removed,
    backup,
    answers,
    surveys,
    profiles,
    defaultRole,
    warnings,
    missing,
    text,
  } = outcome;
  const otherDhcpServers = surveys.map(({ interface: name, servers, failed }) => ({
    interface: name,
    servers: servers.map(describeDhcpServer),
    ...(failed === undefined ? {} : { failed }),
  }));
  const { interfaces, mode } = answers;
  const found = {
    file,
    dryRun,
    written,
    removed,
    ...(backup === undefined ? {} : { backup }),
    interfaces,
    mode,
  };
  const rest = { otherDhcpServers, profiles, defaultRole, warnings, missing, nextSteps: steps };
  return `${JSON.stringify({ ...found, ...rest, ...(dryRun ? { text } : {}) }, null, 2)}\n`;
}

export function toText(outcome: InitOutcome, steps: readonly string[]): string {
  const { written, removed, backup, profiles, answers, defaultRole, missing } = outcome;
  const lines = ['', 'Written:', ...written.map((path) => `  ${path}`)];
  if (backup !== undefined) lines.push(`  ${backup}: what was there before`);
  if (removed.length > 0)
    lines.push('Removed, as an earlier init wrote it:', ...removed.map((path) => `  ${path}`));
  if (profiles.kept) lines.push(`Kept: ${answers.paths.profiles}, as it was there already`);
  if (profiles.different.length > 0) lines.push(`  other than shipped: ${profiles.different.join(', ')}`);
  if (profiles.missing.length > 0) lines.push(`  shipped, and not there: ${profiles.missing.join(', ')}`);
  lines.push(sayDefault(defaultRole));
  // Of what only roles want that nobody uses there is no need to speak yet.
  const needed = missing.filter(({ severity }) => severity === 'error');
  if (needed.length > 0) {
    lines.push('', 'Still missing:', ...needed.map((problem) => `  ${formatProblem(problem)}`));
  }
  return `${[...lines, '', 'Next:', ...steps.map((step) => `  ${step}`)].join('\n')}\n`;
}

function sayDefault(role: string | null): string {
  return role === null
    ? 'A machine without an entry in machines.yaml boots nothing (default: none): this wipes no disk by accident.'
    : `Every machine without an entry in machines.yaml becomes ${role} (default: ${role}); the worker roles WIPE its first fixed disk.`;
}

/** Commands and their sense, in the order they are needed. */
export function nextSteps(outcome: InitOutcome): readonly string[] {
  const { file, answers, missing, defaultRole } = outcome;
  const flag = file === SYSTEM_CONFIG_FILE ? '' : ` --config ${file}`;
  const hasUnit = file === SYSTEM_CONFIG_FILE && UNITS.some((unit) => existsSync(unit));
  const noLoader = missing.some(({ message }) => message.startsWith('no boot file'));
  // Most of the shipped roles boot Flatcar.
  const pulls = missing.flatMap(({ remedy = '' }) => /^tinderbox assets pull [^,]+/.exec(remedy) ?? []);
  const rows: (readonly [string, string] | undefined)[] = [
    noLoader ? ['sudo apt-get install --no-install-recommends ipxe', 'the boot loaders'] : undefined,
    missing.some(({ message }) => message.startsWith('the asset'))
      ? pulls.length > 0
        ? [`sudo ${pulls.find((one) => one.endsWith(' flatcar')) ?? pulls[0]}${flag}`, 'what the roles boot']
        : [`ls ${answers.paths.assets}`, 'the kernels and initrds that roles name go here']
      : undefined,
    [`sudo tinderbox check${flag}`, 'everything that is wrong, at once'],
    hasUnit
      ? ['sudo systemctl enable --now tinderbox', 'and after a change: sudo systemctl restart tinderbox']
      : [`sudo tinderbox serve${flag}`, 'runs it in this terminal'],
    defaultRole === null
      ? [`sudo tinderbox assign${flag} MAC ROLE`, 'what the machine with this MAC is to become']
      : undefined,
    [`sudo tinderbox machines MAC --follow${flag}`, 'power it on, and see it boot'],
  ];
  const present = rows.filter((row) => row !== undefined);
  const width = Math.max(...present.map(([command]) => command.length));
  return present.map(([command, sense]) => `${command.padEnd(width)}   # ${sense}`);
}
