import type { Command } from 'commander';
import { ENTRY, MIN_PASSPHRASE } from '../backup/port.ts';
import type { Config } from '../config/port.ts';
import { hasAuthorities, makeBackup } from '../make-backup.ts';
import { askPassphrase, givenPassphrase } from './ask-passphrase.ts';
import { type CliContext, readConfig } from './context.ts';
import { usageError } from './exit.ts';
import { findDaemon } from './find-daemon.ts';

const HELP = `
One file with everything that cannot be had otherwise: tinderbox.yaml, profiles/, the database, and, sealed with a
passphrase, the cluster's authorities and the session key. Not the assets, of which it holds a list. The daemon may run,
and goes on answering meanwhile. Keep the file and the passphrase apart, and neither on this host.

The passphrase is taken from --passphrase-file, else $TINDERBOX_BACKUP_PASSPHRASE, else asked on the terminal. A host
without authorities needs none.

Examples:
  $ sudo tinderbox backup /srv/backup/tinderbox.tar.gz --passphrase-file /root/backup-passphrase
  $ sudo tinderbox backup - --no-authorities | ssh other 'cat > tinderbox.tar.gz'`;

interface BackupFlags {
  readonly passphraseFile?: string;
  readonly authorities: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function addBackupCommand(program: Command, context: CliContext): void {
  program
    .command('backup')
    .description('everything worth keeping as one file, while the daemon runs')
    .argument('<file>', 'where to; a dash for stdout')
    .option('--passphrase-file <file>', 'its first line seals the authorities')
    .option('--no-authorities', 'leave the authorities and the session key out')
    .option('--force', 'replace the file if it is there')
    .option('--json', 'print what is in it as JSON')
    .addHelpText('after', HELP)
    .action(async (file: string, flags: BackupFlags, command: Command) => {
      const toStdout = file === '-';
      if (toStdout && process.stdout.isTTY)
        throw usageError('a backup is no text for a terminal', 'Give a file.');
      if (toStdout && flags.json === true) throw usageError('stdout is either the backup or JSON');
      const config = await readConfig(command, context);
      const passphrase = await choosePassphrase(config, flags, context);
      const daemon = await findDaemon(config);
      const abort = new AbortController();
      const onSignal = (): void => abort.abort();
      process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
      const progress = showProgress(context);
      try {
        const manifest = await makeBackup({
          config,
          to: toStdout ? process.stdout : { file, force: flags.force === true },
          ...(daemon === undefined ? {} : { daemonCopy: () => daemon.copyDatabase() }),
          ...(passphrase === undefined ? {} : { passphrase }),
          now: Date.now(),
          onProgress: (bytes) => progress.at(bytes),
          signal: abort.signal,
        });
        progress.end();
        const { id, createdAt, files, secrets } = manifest;
        const assets = files.find(({ name }) => name === ENTRY.assets);
        const sealed = secrets?.holds ?? [];
        if (flags.json === true) {
          const entries = files
            .filter(({ kind }) => kind === 'file')
            .map(({ name, size }) => ({ name, size }));
          context.out(`${JSON.stringify({ file, id, createdAt, files: entries, sealed }, null, 2)}\n`);
          return;
        }
        const keys = sealed.length === 0 ? 'no authorities' : `sealed: ${sealed.join(', ')}`;
        const said = `${file}: ${files.filter(({ kind }) => kind === 'file').length} files, ${keys}${assets === undefined ? '' : '; assets are listed only'}\n`;
        if (toStdout) context.err(said);
        else context.out(said);
        if (flags.authorities) context.err(warnWithoutAuthorities(config, sealed));
      } finally {
        progress.end();
        process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
      }
    });
}

async function choosePassphrase(
  config: Config,
  { authorities, passphraseFile }: BackupFlags,
  context: CliContext,
): Promise<string | undefined> {
  if (!authorities) {
    if (passphraseFile !== undefined)
      throw usageError('--no-authorities leaves nothing to seal with a passphrase');
    return undefined;
  }
  const given = await givenPassphrase(passphraseFile, context);
  const passphrase = given ?? ((await hasAuthorities(config)) ? await askTwice() : undefined);
  if (passphrase !== undefined && passphrase.length < MIN_PASSPHRASE) {
    throw usageError(
      `the passphrase has fewer than ${MIN_PASSPHRASE} characters`,
      'Whoever guesses it can be any machine of the cluster. Five words from a dice list do.',
    );
  }
  return passphrase;
}

async function askTwice(): Promise<string> {
  const first = await askPassphrase('Passphrase that seals the authorities: ');
  if (first === undefined) {
    throw usageError(
      'the authorities go into a backup under a passphrase only, and there is no terminal to ask on',
      'Give --passphrase-file or $TINDERBOX_BACKUP_PASSPHRASE, or leave them out: --no-authorities.',
    );
  }
  if ((await askPassphrase('The same again: ')) !== first) throw usageError('the two passphrases differ');
  return first;
}

/** On a terminal, ten times a second at most. */
function showProgress({ err }: CliContext) {
  let shown = 0;
  let last = 0;
  return {
    at(bytes: number): void {
      const now = performance.now();
      if (!process.stderr.isTTY || now - last < 100) return;
      last = now;
      const text = `\r${(bytes / 1e6).toFixed(1)} MB `;
      shown = text.length;
      err(text);
    },
    end(): void {
      if (shown > 0) err(`\r${' '.repeat(shown)}\r`);
      shown = 0;
    },
  };
}

/** Of a cluster whose authorities are still being made, which takes as long as RSA does. Empty: they are there. */
export function warnWithoutAuthorities(
  { cluster }: Pick<Config, 'cluster'>,
  sealed: readonly string[],
): string {
  if (cluster === undefined || sealed.some((name) => name.startsWith('pki/'))) return '';
  return `warning: no authority of the cluster is in it: there was none yet
    Wait for the daemon to make them (sudo tinderbox ca show), and take the backup again.
`;
}
