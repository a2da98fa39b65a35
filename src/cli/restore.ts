import type { Command } from 'commander';
import { SYSTEM_CONFIG_FILE } from '../config/load.ts';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import {
  continueRestore,
  RESTORE_PARTS,
  type RestorePart,
  type RestoreResult,
  restoreBackup,
} from '../restore-backup.ts';
import type { RestoreMove } from '../restore-plan.ts';
import { askPassphrase, givenPassphrase } from './ask-passphrase.ts';
import { type CliContext, locateConfig } from './context.ts';
import { usageError } from './exit.ts';
import { findDaemon } from './find-daemon.ts';

const HELP = `
Everything is verified before anything is touched. What is there is set aside under another name, never overwritten and
never mixed with what comes. Stop the daemon first. A restore that is interrupted half-way keeps the daemon from starting
until it is finished with --continue. Where things go is what the restored tinderbox.yaml says, read as if it lay at
--config; with --only and without config, what the present one says.

Parts: database, authorities (with the session key), profiles, config.

Examples:
  $ sudo tinderbox restore /srv/backup/tinderbox.tar.gz --dry-run
  $ sudo tinderbox restore /srv/backup/tinderbox.tar.gz --passphrase-file /root/backup-passphrase
  $ sudo tinderbox restore /srv/backup/tinderbox.tar.gz --only authorities`;

interface RestoreFlags {
  readonly only?: string;
  readonly passphraseFile?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly continue?: boolean;
  readonly json?: boolean;
}

export function addRestoreCommand(program: Command, context: CliContext): void {
  program
    .command('restore')
    .description('put a backup in the place of what is there')
    .argument('[file]', 'the backup')
    .option('--only <parts>', `some of: ${RESTORE_PARTS.join(',')}`)
    .option('--passphrase-file <file>', 'its first line opens the authorities')
    .option('--dry-run', 'verify all of it and say what would be done')
    .option(
      '--force',
      'also a backup of a newer program, other authorities than those that are here, and other places',
    )
    .option('--continue', 'finish a restore that was interrupted')
    .option('--json', 'print what was done as JSON')
    .addHelpText('after', HELP)
    .action(async (file: string | undefined, flags: RestoreFlags, command: Command) => {
      if ((file === undefined) !== (flags.continue === true))
        throw usageError('give a backup, or --continue', 'tinderbox restore --help has examples');
      const configFile = await targetConfigFile(command, context);
      if (file === undefined) {
        const { moves } = await continueRestore(configFile);
        return say({ moves, notes: [] }, flags, context);
      }
      const result = await restoreBackup({
        file,
        configFile,
        parts: readParts(flags.only),
        dryRun: flags.dryRun === true,
        force: flags.force === true,
        passphrase: async () =>
          (await givenPassphrase(flags.passphraseFile, context)) ??
          (await askPassphrase('Passphrase of the backup: ')),
        async refuseDaemon(config) {
          if (flags.dryRun === true || (await findDaemon(config)) === undefined) return;
          throw new TinderboxError('busy', 'the daemon is running', {
            remedy: 'Stop it (systemctl stop tinderbox), restore, and start it again.',
          });
        },
        now: Date.now(),
      });
      say(result, flags, context);
    });
}

/** On a new host there is none yet: then it will be where the service looks for it. */
async function targetConfigFile(command: Command, context: CliContext): Promise<string> {
  try {
    return await locateConfig(command, context);
  } catch (thrown) {
    if (toTinderboxError(thrown).code === 'not-found') return SYSTEM_CONFIG_FILE;
    throw thrown;
  }
}

function readParts(only: string | undefined): readonly RestorePart[] {
  if (only === undefined) return RESTORE_PARTS;
  const words = only.split(',').map((word) => word.trim());
  const parts = RESTORE_PARTS.filter((part) => words.includes(part));
  const unknown = words.find((word) => !(RESTORE_PARTS as readonly string[]).includes(word));
  if (unknown === undefined && parts.length > 0) return parts;
  throw usageError(`--only: '${unknown}' is no part of a backup`, `Parts: ${RESTORE_PARTS.join(', ')}`);
}

function say(
  { manifest, moves, notes }: Partial<RestoreResult> & Pick<RestoreResult, 'moves' | 'notes'>,
  { dryRun = false, json }: RestoreFlags,
  { out, err }: CliContext,
): void {
  if (json === true) {
    const { id, createdAt, host, tinderbox } = manifest ?? {};
    const restored = moves.map(({ what, path, aside }) => ({ what, path, aside }));
    return out(`${JSON.stringify({ id, createdAt, host, tinderbox, dryRun, restored, notes }, null, 2)}\n`);
  }
  if (manifest !== undefined)
    out(`a backup of ${manifest.host}, ${manifest.createdAt}, Tinderbox ${manifest.tinderbox}\n`);
  for (const move of moves) out(`${describe(move, dryRun)}\n`);
  for (const note of notes) err(`note: ${note}\n`);
  if (dryRun) out('nothing was changed (--dry-run)\n');
}

function describe({ what, path, aside, staged }: RestoreMove, dryRun: boolean): string {
  const kept = aside === undefined ? '' : `; what was there ${dryRun ? 'would be' : 'is'} kept as ${aside}`;
  if (staged === undefined) return `${what}: set aside as ${aside}`;
  return `${what}: ${path}${kept}`;
}
