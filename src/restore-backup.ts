import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { asOwnerOf } from './as-owner-of.ts';
import { contextOf, decodeSecrets } from './backup/pack-backup.ts';
import type { BackupManifest, BackupOwner, SecretFiles } from './backup/port.ts';
import { type VerifiedBackup, verifyBackup } from './backup/read-backup.ts';
import { openSecrets } from './backup/seal-secrets.ts';
import { loadConfig } from './config/load.ts';
import type { Config } from './config/port.ts';
import { resolveConfig } from './config/resolve.ts';
import { TinderboxError, toTinderboxError } from './errors.ts';
import { type Ids, idsOf } from './file-owners.ts';
import { AUTHORITY_NAMES } from './machine/identity.ts';
import { PKI_FOLDER } from './manage-authorities.ts';
import { DATABASE_FILE } from './preflight-state.ts';
import { refuseElsewhere, refuseReplacing } from './refuse-elsewhere.ts';
import {
  carryOut,
  exists,
  type OnStep,
  planFile,
  type RestoreMove,
  type RestorePlan,
  readPlan,
} from './restore-plan.ts';
import { SERVICE_NAME } from './service-account.ts';
import { SESSION_KEY_FILE } from './session-key.ts';
import { makeFolder, removeStaged, stageFiles, stagePki, stageSecret } from './stage-restore.ts';
import { lockForWriting } from './store/lock-for-writing.ts';
import { MIGRATIONS } from './store/migrations.ts';
import { prepareRestored } from './store/prepare-restored.ts';
import { COMPANIONS, timeStamp } from './store/set-aside.ts';
import { isNewerVersion, readVersion } from './version.ts';

export const RESTORE_PARTS = ['database', 'authorities', 'profiles', 'config'] as const;
export type RestorePart = (typeof RESTORE_PARTS)[number];

export interface RestoreOptions {
  readonly file: string;
  /** Where tinderbox.yaml is, or is to be; it says where the rest goes. */
  readonly configFile: string;
  readonly parts: readonly RestorePart[];
  readonly dryRun: boolean;
  /** Also a backup of a newer program whose formats are known, and other authorities than those that are here. */
  readonly force: boolean;
  /** Asked only if something sealed is to be restored; undefined: there is none. */
  readonly passphrase: () => Promise<string | undefined>;
  /** Throws if a daemon of this configuration runs. */
  readonly refuseDaemon: (config: Config) => Promise<void>;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** For tests that end the process in between. */
  readonly onStep?: OnStep;
}

export interface RestoreResult {
  readonly manifest: BackupManifest;
  readonly moves: readonly RestoreMove[];
  /** Said to the operator: what was not restored, and why. */
  readonly notes: readonly string[];
}

/** Of what takes the place of something; left over only where a restore was killed before it had a plan. */
const STAGED = '.restoring-new';

/**
 * Puts a backup in the place of what is there. Everything is verified and written beside its place first; then renames
 * alone exchange it, by a plan that survives a kill. What was there is set aside, never mixed with what comes.
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreResult> {
  const { file, configFile, now, onStep = () => undefined } = options;
  if ((await readPlan(configFile)) !== undefined) {
    throw new TinderboxError(
      'refused',
      `another restore was interrupted half-way (${planFile(configFile)})`,
      {
        remedy: 'Finish that one first: tinderbox restore --continue.',
      },
    );
  }
  const backup = await verifyBackup(file);
  refuseNewer(file, backup.manifest, options.force);
  const config = await configAfter(options, backup);
  const { secrets, notes, isProven } = await unsealed(options, backup);
  if (!options.force && options.parts.includes('config')) {
    if (!isProven) await refuseElsewhere(configFile, config);
    else if (!options.dryRun) await refuseReplacing(configFile, config);
  }
  await options.refuseDaemon(config);
  await refuseOtherAuthorities(options, config, secrets);
  const moves = await planMoves(options, config, secrets);
  if (options.dryRun) return { manifest: backup.manifest, moves, notes };

  const owners = await ownersFor(config, backup.manifest);
  const { state, profiles } = config.paths;
  await makeFolder(dirname(configFile), 0o755, undefined);
  await makeFolder(dirname(profiles), 0o755, undefined);
  await makeFolder(state, 0o700, owners.state);
  const lock = await asOwnerOf(state, () => lockForWriting(join(state, DATABASE_FILE)));
  const staged = moves.flatMap((move) => move.staged ?? []);
  try {
    await removeStaged(staged, state);
    const placeFor = (what: string): string | undefined => moves.find((move) => move.what === what)?.staged;
    const [configPlace, profilesPlace, database] = ['config', 'profiles', 'database'].map(placeFor);
    await stageFiles(
      file,
      backup.manifest,
      {
        ...(configPlace === undefined ? {} : { config: configPlace }),
        ...(profilesPlace === undefined ? {} : { profiles: profilesPlace }),
        ...(database === undefined ? {} : { database }),
      },
      owners,
    );
    if (database !== undefined) await asOwnerOf(state, () => prepareRestored(database, now));
    const pki = placeFor('authorities');
    if (pki !== undefined) await asOwnerOf(state, () => stagePki(pki, secrets, owners.state));
    const sessionKey = placeFor('session key');
    const keyBytes = secrets.get(SESSION_KEY_FILE);
    if (sessionKey !== undefined && keyBytes !== undefined)
      await asOwnerOf(state, () => stageSecret(sessionKey, keyBytes, owners.state));
    onStep('staged');
    await carryOut(configFile, { backup: resolve(file), state, moves }, onStep);
  } catch (thrown) {
    // Without a plan nothing was touched; with one, it is needed to go on.
    if (!(await exists(planFile(configFile)))) await removeStaged(staged, state);
    throw explain(thrown);
  } finally {
    lock.close();
  }
  return { manifest: backup.manifest, moves, notes };
}

/** Finishes a restore that was killed. Throws `not-found` if there is none. */
export async function continueRestore(configFile: string): Promise<RestorePlan> {
  const plan = await readPlan(configFile);
  if (plan === undefined) {
    throw new TinderboxError('not-found', `no restore was interrupted (there is no ${planFile(configFile)})`);
  }
  const lock = await asOwnerOf(plan.state, () => lockForWriting(join(plan.state, DATABASE_FILE)));
  try {
    await carryOut(configFile, plan);
  } finally {
    lock.close();
  }
  return plan;
}

function refuseNewer(file: string, { schema, tinderbox }: BackupManifest, force: boolean): void {
  const own = readVersion();
  if (schema > MIGRATIONS.length) {
    throw new TinderboxError(
      'newer-database',
      `${file} was made by Tinderbox ${tinderbox}: its database has schema version ${schema}, this program (${own}) knows ${MIGRATIONS.length}`,
      { remedy: `Install Tinderbox ${tinderbox} or a newer one, then restore.` },
    );
  }
  if (!force && isNewerVersion(tinderbox, own)) {
    throw new TinderboxError('refused', `${file} was made by Tinderbox ${tinderbox}; this is ${own}`, {
      remedy: `Install Tinderbox ${tinderbox} or a newer one, then restore. --force tries it all the same.`,
    });
  }
}

/** The configuration that holds afterwards says where things go. */
async function configAfter(options: RestoreOptions, { config: content }: VerifiedBackup): Promise<Config> {
  const { configFile, parts } = options;
  if (!parts.includes('config')) return (await loadConfig(configFile)).config;
  const { config, problems } = resolveConfig({
    file: configFile,
    content,
    folder: dirname(configFile),
    env: process.env,
  });
  if (config !== undefined) return config;
  throw new TinderboxError(
    'invalid-config',
    'the tinderbox.yaml in the backup is not one that this program reads',
    {
      problems,
      remedy:
        'Restore the rest: --only database,authorities,profiles, beside a tinderbox.yaml that you write.',
    },
  );
}

async function unsealed(
  options: RestoreOptions,
  { manifest, secrets }: VerifiedBackup,
): Promise<{
  readonly secrets: SecretFiles;
  readonly notes: readonly string[];
  /** Its maker knew the passphrase: nobody else has written any of it. */
  readonly isProven: boolean;
}> {
  const none = new Map<string, Uint8Array>();
  if (!options.parts.includes('authorities')) return { secrets: none, notes: [], isProven: false };
  if (secrets === undefined) {
    const text = 'the backup holds no authorities and no session key';
    if (options.parts.length === 1) throw new TinderboxError('not-found', text);
    return { secrets: none, notes: [`${text}: those that are here stay`], isProven: false };
  }
  const passphrase = await options.passphrase();
  if (passphrase === undefined) {
    throw new TinderboxError('usage', 'the authorities in the backup are sealed: give its passphrase', {
      remedy:
        'Use --passphrase-file or $TINDERBOX_BACKUP_PASSPHRASE, or leave them out: --only database,profiles,config.',
    });
  }
  const plain = await openSecrets(secrets, passphrase, contextOf(manifest));
  return { secrets: decodeSecrets(plain), notes: [], isProven: true };
}

/** Machines trust what is here now. To exchange it by accident cuts all of them off. */
async function refuseOtherAuthorities(
  { force }: RestoreOptions,
  config: Config,
  secrets: SecretFiles,
): Promise<void> {
  if (force) return;
  for (const name of AUTHORITY_NAMES) {
    const coming = fingerprintOf(secrets.get(`${PKI_FOLDER}/${name}.pem`));
    const file = join(config.paths.state, PKI_FOLDER, `${name}.pem`);
    const present = fingerprintOf(await readFile(file).catch(() => undefined));
    if (coming === undefined || present === undefined || coming === present) continue;
    throw new TinderboxError('in-use', `the authority ${name} here is another one than that of the backup`, {
      remedy:
        'Machines that joined trust the one that is here. Leave the authorities out (--only database,profiles,config), or exchange them with --force.',
    });
  }
}

function fingerprintOf(bytes: Uint8Array | undefined): string | undefined {
  const text = bytes === undefined ? '' : Buffer.from(bytes).toString('latin1');
  const [certificate] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(text) ?? [];
  return certificate === undefined ? undefined : new X509Certificate(certificate).fingerprint256;
}

/** The configuration first: it must be there at every moment, and alone it changes nothing while the plan is there. */
async function planMoves(
  options: RestoreOptions,
  config: Config,
  secrets: SecretFiles,
): Promise<readonly RestoreMove[]> {
  const { configFile, parts, now } = options;
  const { state, profiles } = config.paths;
  const database = join(state, DATABASE_FILE);
  const move = async (what: string, path: string, more: Partial<RestoreMove> = {}): Promise<RestoreMove> => {
    const aside = `${path}.before-restore-${timeStamp(now)}`;
    return { what, path, staged: `${path}${STAGED}`, ...((await exists(path)) ? { aside } : {}), ...more };
  };
  const moves: RestoreMove[] = [];
  if (parts.includes('config')) moves.push(await move('config', configFile, { always: true }));
  if (parts.includes('profiles')) moves.push(await move('profiles', profiles));
  if (parts.includes('database')) {
    const main = await move('database', database);
    for (const companion of COMPANIONS) {
      const path = `${database}${companion}`;
      const aside = `${main.aside ?? `${database}.before-restore-${timeStamp(now)}`}${companion}`;
      if (await exists(path)) moves.push({ what: `database (${companion.slice(1)})`, path, aside });
    }
    moves.push(main);
  }
  if ([...secrets.keys()].some((name) => name.startsWith(`${PKI_FOLDER}/`)))
    moves.push(await move('authorities', join(state, PKI_FOLDER)));
  if (secrets.has(SESSION_KEY_FILE)) moves.push(await move('session key', join(state, SESSION_KEY_FILE)));
  return moves;
}

/**
 * Whoever has it now, else whom it belonged to where the backup was made. Only root may give files away. A new
 * configuration is root's: it tells root where to write, and anybody may have written a manifest that names its owner.
 */
async function ownersFor(config: Config, { owners }: BackupManifest) {
  return {
    config: await presentOwner(config.file, { user: 'root', group: SERVICE_NAME }),
    configMode: await presentMode(config.file),
    profiles: await presentOwner(config.paths.profiles, owners.profiles),
    state: await presentOwner(config.paths.state, owners.state),
  };
}

async function presentOwner(path: string, before: BackupOwner): Promise<Ids | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined) return { uid: found.uid, gid: found.gid };
  return (await idsOf(before)) ?? (before.user === 'root' ? { uid: 0, gid: 0 } : undefined);
}

async function presentMode(path: string): Promise<number | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? 0o640 : found.mode & 0o777;
}

function explain(thrown: unknown): TinderboxError {
  const error = toTinderboxError(thrown);
  if (thrown instanceof TinderboxError) return error;
  const { code, path } = thrown as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new TinderboxError('unavailable', 'the disk is full; nothing was changed', {
      cause: thrown,
      remedy: 'Make room for the backup beside what is there, then try again.',
    });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new TinderboxError(
      'refused',
      `${path === undefined ? 'a file' : basename(path)} may not be written: ${error.message}`,
      {
        cause: thrown,
        remedy: 'Run this with sudo.',
      },
    );
  }
  return error;
}
