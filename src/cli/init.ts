import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { checkInstallation, type InstallationCheck } from '../check-installation.ts';
import { SYSTEM_CONFIG_FILE } from '../config/load.ts';
import type { Config } from '../config/port.ts';
import { writeConfigText } from '../config/write-config-text.ts';
import { compareProfiles, listRoles, type ProfileCopy, withStagedProfiles } from '../copy-profiles.ts';
import { formatProblem, TinderboxError, toTinderboxError } from '../errors.ts';
import { findOldSocketUnits, removeOldSocketUnits } from '../remove-socket-units.ts';
import { findServiceAccount } from '../service-account.ts';
import { findShippedFiles } from '../shipped-files.ts';
import { surveyInterfaces } from '../survey-network.ts';
import { requireWritable, writeInstallation } from '../write-installation.ts';
import { enableUnits, UNIT_FOLDER, writeSocketUnits } from '../write-socket-units.ts';
import { type Asker, silentAsker, terminalAsker } from './ask.ts';
import type { CliContext } from './context.ts';
import { usageError } from './exit.ts';
import { type Interview, type InterviewFlags, interview } from './init-interview.ts';
import { type InitOutcome, nextSteps, toJson, toText } from './init-report.ts';

const HELP = `
Asks on a terminal what no flag says and suggests the defaults; with --yes they hold. It listens for other DHCP
servers first, and gives no addresses beside one unless --force says so. Nothing is written that \`tinderbox check\` would
refuse; profiles that are there stay as they are. The folders of another file than ${SYSTEM_CONFIG_FILE}
lie beside it.

Examples:
  $ sudo tinderbox init
  $ sudo tinderbox init --interface eth1 --mode server --range 10.77.0.100-10.77.0.200 --admission open --yes
  $ sudo tinderbox init --interface eth1 --mode proxy --cluster --api-server https://10.77.0.1:6443 --yes
  $ tinderbox init --config ./tinderbox.yaml --dry-run`;

interface InitFlags extends InterviewFlags {
  readonly profiles?: string;
  readonly assets?: string;
  readonly state?: string;
  readonly sockets?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** For a flag that may come more than once. */
const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export function addInitCommand(program: Command, context: CliContext): void {
  program
    .command('init')
    .description('write a first configuration, from questions or flags')
    .option(
      '--interface <name>',
      'provisioning interface; may come more than once (default: the likeliest)',
      collect,
    )
    .addOption(
      new Option(
        '--mode <mode>',
        'who gives addresses (default: server where nobody else does, else proxy)',
      ).choices(['proxy', 'server', 'off']),
    )
    .option(
      '--range <first-last>',
      'server mode: addresses to give; once for each network (default: free ones of it)',
      collect,
    )
    .option('--lease-time <time>', 'server mode: 30m, 1h, 1d (default: 1h)')
    .option(
      '--router <address>',
      'server mode: default router of the machines; once for each network',
      collect,
    )
    .option('--dns <address>', 'server mode: name server; may come more than once', collect)
    .option('--domain <domain>', 'server mode: where machines look up short names')
    .addOption(
      new Option('--admission <policy>', 'who may boot (default: open)').choices([
        'open',
        'approve',
        'listed',
      ]),
    )
    .option('--default-role <role>', 'of machines without an entry (default: none)')
    .option('--cluster', 'machines join a Kubernetes cluster')
    .option('--no-cluster', 'they do not (default)')
    .option('--api-server <url>', 'where kubelets find the API server (default: port 6443 of this host)')
    .option('--pod-network <network>', 'addresses of pods (default: 10.2.0.0/16)')
    .option('--service-network <network>', 'addresses of services (default: 10.3.0.0/24)')
    .option('--profiles <folder>', 'the roles and machines.yaml (default: /etc/tinderbox/profiles)')
    .option('--assets <folder>', 'what machines fetch (default: /var/lib/tinderbox/assets)')
    .option('--state <folder>', 'the database and keys (default: /var/lib/tinderbox/state)')
    .option('--sockets', 'let systemd open the ports: the service runs without any capability')
    .option('--no-detect', 'do not listen for other DHCP servers')
    .option('--force', 'overwrite (a copy is kept), and give addresses beside another DHCP server')
    .option('--yes', 'ask nothing')
    .option('--dry-run', 'print the file, write nothing')
    .option('--json', 'print what was done as JSON; asks nothing')
    .addHelpText('after', HELP)
    .action(async (flags: InitFlags, command: Command) => {
      const outcome = await init(flags, command, context);
      for (const warning of outcome.warnings) context.err(`warning: ${warning}\n`);
      const steps = nextSteps(outcome);
      if (flags.json === true) return context.out(toJson(outcome, steps));
      context.out(outcome.dryRun ? outcome.text : toText(outcome, steps));
    });
}

async function init(flags: InitFlags, command: Command, context: CliContext): Promise<InitOutcome> {
  const named: unknown = command.optsWithGlobals()['config'];
  const file = resolve(typeof named === 'string' ? named : SYSTEM_CONFIG_FILE);
  const dryRun = flags.dryRun === true;
  if (flags.sockets === true && file !== SYSTEM_CONFIG_FILE) {
    throw usageError(`--sockets goes with ${SYSTEM_CONFIG_FILE} only`, 'Leave --config out.');
  }
  if (!dryRun) await requireWritable(file);
  const asker = makeAsker(flags);
  try {
    const force = await mayOverwrite(file, flags, asker);
    const shipped = findShippedFiles();
    const paths = choosePaths(file, flags);
    const profiles = await compareProfiles(shipped.profiles, paths.profiles);
    const found = await interview(flags, {
      asker,
      all: await surveyInterfaces(),
      paths,
      roles: profiles.kept ? undefined : await listRoles(shipped.profiles),
      say: context.err,
    });
    const text = writeConfigText(found.answers, join(shipped.schemas, 'tinderbox.schema.json'));
    const check = await withStagedProfiles(
      shipped.profiles,
      profiles.kept ? undefined : found.defaultRole,
      (staged) => checkInstallation(file, text, staged ?? paths.profiles),
    );
    const outcome = outcomeOf({ file, text, dryRun, found, profiles, check });
    if (dryRun) return outcome;
    if (asker.interactive) {
      context.err(`\n${text}\n`);
      if (!(await asker.confirm(`Write this to ${file}?`, true))) {
        throw new TinderboxError('refused', 'stopped; nothing was written');
      }
    }
    const done = await writeInstallation({
      file,
      text,
      paths,
      overwrite: force,
      ...(profiles.kept ? {} : { profiles: { shipped: shipped.profiles, defaultRole: found.defaultRole } }),
      account: process.geteuid?.() === 0 ? await findServiceAccount() : undefined,
      stamp: new Date().toISOString().replaceAll(/[-:]|\.\d+/g, ''),
    });
    // Units are for the installed system alone.
    if (file !== SYSTEM_CONFIG_FILE) return { ...outcome, ...done };
    const plan = flags.sockets === true ? join(shipped.schemas, '../systemd') : undefined;
    return await arrangeSockets({ ...outcome, ...done }, plan);
  } finally {
    asker.close();
  }
}

/**
 * The configuration is there by now: what fails is said, and done again by hand. `shipped`: the folder of the units;
 * undefined: no sockets, and the service opens its ports itself.
 */
async function arrangeSockets(outcome: InitOutcome, shipped: string | undefined): Promise<InitOutcome> {
  const { interfaces, mode } = outcome.answers;
  let done = outcome;
  try {
    const plan = { interfaces, dhcp: mode !== 'off', folder: UNIT_FOLDER };
    const { written, instances } =
      shipped === undefined ? { written: [], instances: [] } : await writeSocketUnits({ ...plan, shipped });
    done = { ...outcome, written: [...outcome.written, ...written] };
    if (instances.length > 0) await enableUnits(instances);
    // An old socket would hold its port, and a service without its capability has none on a new interface.
    const removed = await removeOldSocketUnits(await findOldSocketUnits(UNIT_FOLDER, new Set(written)));
    return { ...done, removed };
  } catch (thrown) {
    const { message, remedy } = toTinderboxError(thrown);
    const problem = formatProblem({
      severity: 'error',
      message,
      ...(remedy === undefined ? {} : { remedy }),
    });
    return { ...done, warnings: [...done.warnings, problem] };
  }
}

function makeAsker({ yes, json, dryRun }: InitFlags): Asker {
  if (yes === true || json === true) return silentAsker();
  if (process.stdin.isTTY && process.stderr.isTTY) return terminalAsker();
  // What is only printed does no harm.
  if (dryRun === true) return silentAsker();
  throw usageError(
    'there is no terminal to ask on',
    'Say --yes and what differs from the defaults: --interface eth1 …',
  );
}

/** Whether a file that is there may be replaced. Throws `refused` if not. */
async function mayOverwrite(file: string, { force, dryRun }: InitFlags, asker: Asker): Promise<boolean> {
  const isThere = await stat(file).then(
    () => true,
    () => false,
  );
  if (!isThere || force === true || dryRun === true) return force === true;
  if (await asker.confirm(`${file} is there already. Replace it? A copy is kept.`, false)) return true;
  throw new TinderboxError('refused', `${file} is there already, and stays as it is`, {
    remedy: 'Edit it; or replace it with --force: a copy is kept.',
  });
}

/** Of an installed system where the unit expects them, else beside the file. */
function choosePaths(file: string, { profiles, assets, state }: InitFlags): Config['paths'] {
  const folder = dirname(file);
  const installed = file === SYSTEM_CONFIG_FILE;
  return {
    profiles: resolve(profiles ?? join(folder, 'profiles')),
    assets: resolve(assets ?? (installed ? '/var/lib/tinderbox/assets' : join(folder, 'assets'))),
    state: resolve(state ?? (installed ? '/var/lib/tinderbox/state' : join(folder, 'var'))),
  };
}

function outcomeOf({
  file,
  text,
  dryRun,
  found,
  profiles,
  check,
}: {
  readonly file: string;
  readonly text: string;
  readonly dryRun: boolean;
  readonly found: Interview;
  readonly profiles: ProfileCopy;
  readonly check: InstallationCheck;
}): InitOutcome {
  const { answers, surveys, warnings } = found;
  const more = check.warnings.map(formatProblem);
  return {
    file,
    text,
    dryRun,
    answers,
    surveys,
    profiles,
    written: [],
    removed: [],
    defaultRole: check.defaultRole,
    warnings: [...warnings, ...more],
    missing: check.missing,
  };
}
