import { constants } from 'node:fs';
import { access, lstat, open, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { MAX_DOCUMENT_BYTES, tooLarge } from '../document/decode-text.ts';
import { describeFileError } from '../document/describe-file-error.ts';
import { formatProblem, type Problem, TinderboxError } from '../errors.ts';
import type { Config } from './port.ts';
import { type ConfigEnvironment, resolveConfig } from './resolve.ts';

export const SYSTEM_CONFIG_FILE = '/etc/tinderbox/tinderbox.yaml';
/** Where the unit's RuntimeDirectory= puts the admin socket. */
export const SERVICE_SOCKET = '/run/tinderbox/admin.sock';

export interface FindConfigOptions {
  /** What `--config` said. */
  readonly flag?: string | undefined;
  readonly env?: ConfigEnvironment;
  readonly cwd?: string;
  readonly systemFile?: string;
  /** Who runs this. */
  readonly uid?: number | undefined;
  /** Told of a file that was found, and is not to be trusted. */
  readonly warn?: (problem: Problem) => void;
}

/**
 * The absolute path of the configuration: `--config`, `$TINDERBOX_CONFIG`, `./tinderbox.yaml`, then /etc. A file that
 * was named is not looked for elsewhere. Root takes the one in the working folder only from root and from who runs sudo:
 * it says what is written where. Throws TinderboxError `not-found` naming every place tried.
 */
export async function findConfigFile(options: FindConfigOptions = {}): Promise<string> {
  const { flag, env = process.env, cwd = process.cwd(), systemFile = SYSTEM_CONFIG_FILE } = options;
  if (flag !== undefined) return resolve(cwd, flag);
  const named = env.TINDERBOX_CONFIG ?? '';
  if (named !== '') return resolve(cwd, named);
  const own = join(cwd, 'tinderbox.yaml');
  const candidates = [own, systemFile];
  let isDoubted = false;
  for (const candidate of candidates) {
    // One that exists but may not be read is the one that is meant: loadConfig says so.
    if (!(await exists(candidate))) continue;
    const doubt = candidate === own ? await doubtOf(own, options).catch(() => undefined) : undefined;
    if (doubt === undefined) return candidate;
    isDoubted = true;
    options.warn?.({
      severity: 'warning',
      file: candidate,
      message: `is passed over, since ${doubt}, and this runs as root`,
      remedy: `If it is meant: --config ${candidate}`,
    });
  }
  throw new TinderboxError(
    'not-found',
    isDoubted
      ? `there is no configuration: ${own} is passed over, and ${systemFile} does not exist`
      : `there is no configuration: neither ${candidates.join(' nor ')} exists`,
    {
      remedy: 'Give one with --config FILE or $TINDERBOX_CONFIG, or write a first one: sudo tinderbox init',
    },
  );
}

/** Why root should not take it for the operator's; a link counts, and what it leads to. */
async function doubtOf(
  file: string,
  { env = process.env, uid = process.geteuid?.() }: FindConfigOptions,
): Promise<string | undefined> {
  if (uid !== 0) return undefined;
  const operator = Number(env.SUDO_UID ?? 0);
  const [link, target] = await Promise.all([lstat(file), stat(file)]);
  const stranger = [link, target].find((each) => each.uid !== 0 && each.uid !== operator);
  if (stranger !== undefined) return `it belongs to another user (${stranger.uid})`;
  return (target.mode & 0o022) === 0 ? undefined : 'others than its owner may write it';
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  );
}

/**
 * Reads and resolves tinderbox.yaml. Throws TinderboxError `invalid-config` (`not-found` if there is no file) with all
 * problems at once; warnings come with the configuration.
 */
export async function loadConfig(
  file: string,
  env: ConfigEnvironment = process.env,
): Promise<{ config: Config; warnings: readonly Problem[] }> {
  const absolute = resolve(file);
  const content = await readBounded(absolute);
  if (!('bytes' in content)) throw invalid(absolute, [content.problem], content.missing);
  const { config, problems } = resolveConfig({
    file: absolute,
    content: content.bytes,
    folder: dirname(absolute),
    env,
  });
  if (config === undefined) throw invalid(absolute, problems, false);
  return { config, warnings: problems };
}

/**
 * Where a CLI on this host looks for the daemon, in order: the daemon may run as a service, with a runtime folder that
 * the CLI's own environment does not name.
 */
export function adminSocketCandidates(config: Config): readonly string[] {
  const own = config.admin.socket;
  const derived = own === join(config.paths.state, 'admin.sock');
  return derived ? [own, SERVICE_SOCKET] : [own];
}

async function readBounded(
  file: string,
): Promise<{ bytes: Buffer } | { problem: Problem; missing: boolean }> {
  try {
    // A pipe or a device in the place of the file would be waited for, or read, for ever.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    if (stats.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
    if (!stats.isFile()) {
      return { problem: { severity: 'error', message: 'this is no regular file', file }, missing: false };
    }
    if (stats.size > MAX_DOCUMENT_BYTES) return { problem: tooLarge(file, stats.size), missing: false };
    return { bytes: await handle.readFile() };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return { problem: describeFileError(file, error), missing };
  }
}

function invalid(file: string, problems: readonly Problem[], missing: boolean): TinderboxError {
  const errors = problems.filter((problem) => problem.severity === 'error');
  const first = errors[0];
  const message =
    errors.length === 1 && first !== undefined
      ? formatProblem(first)
      : `${file} has ${errors.length} errors, the first: ${first === undefined ? '' : formatProblem(first)}`;
  if (!missing) return new TinderboxError('invalid-config', message, { problems });
  const remedy = 'Is it the right file? A first one is written by `tinderbox init`, with the same --config.';
  return new TinderboxError('not-found', message, { problems, remedy });
}
