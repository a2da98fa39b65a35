import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { formatProblem, type Problem, TinderboxError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Catalog } from '../machine/role.ts';
import { hasErrors, type LoadCatalogOptions, loadCatalog } from './load-catalog.ts';
import type { CatalogView } from './port.ts';
import { type ProfilesScan, scanProfiles } from './scan-profiles.ts';
import { watchFolders } from './watch-folders.ts';

/** Editors write in several steps. */
const DEBOUNCE = 100;
/** Where no watch works: network file systems, no inotify instances left. */
const POLL_INTERVAL = 2000;
/**
 * A file younger than this may still be being written (an editor that truncates first leaves an empty machines.yaml
 * for a moment, which is valid), and the kernel's file times tick in steps of up to 10 ms.
 */
const SETTLE_TIME = 30;
const MAX_SETTLE_ROUNDS = 10;

export interface OpenCatalogOptions extends Pick<LoadCatalogOptions, 'checkRole' | 'checkCatalog'> {
  /** Absolute path of `profiles/`. */
  readonly dir: string;
  readonly logger: Logger;
  readonly onSwap?: (catalog: Catalog, previous: Catalog) => void;
  /** Called when what is wrong changes; with an empty list when it is right again. */
  readonly onProblems?: (problems: readonly Problem[]) => void;
  /** Milliseconds between two looks at the files on behalf of requests. */
  readonly checkInterval?: number;
  /** Milliseconds between two looks that nobody asked for. */
  readonly pollInterval?: number;
  readonly now?: () => number;
}

export interface CatalogHolder extends CatalogView, AsyncDisposable {
  /** What does not keep the catalog from being used. */
  warnings(): readonly Problem[];
  /**
   * Await it before answering from the catalog, so that an edit holds for the next request. Cheap: at most one look at
   * the files' times in 250 ms, unless the watch saw a change. Never throws.
   */
  refresh(): Promise<void>;
  /** Reads everything again, changed or not. Never throws. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Reads `profiles/` and keeps up with it: a sound edit takes the place of the whole catalog, a broken one changes
 * nothing but `problems()`. Throws TinderboxError `invalid-catalog` if what is there at the start is broken.
 */
export async function openCatalog(options: OpenCatalogOptions): Promise<CatalogHolder> {
  const { dir, logger, checkInterval = 250, pollInterval = POLL_INTERVAL, now = Date.now } = options;
  let seen = await settledScan(dir, now);
  const first = await loadCatalog(dir, { ...options, generation: 1 });
  if (first.catalog === undefined) throw brokenCatalog(dir, first.problems);

  let catalog = first.catalog;
  let errors: readonly Problem[] = [];
  let warnings = first.problems;
  let dirty = false;
  let lastLook = now();
  let running: Promise<void> | undefined;
  let queued: Promise<void> | undefined;
  let queuedForce = false;
  let debounce: NodeJS.Timeout | undefined;
  let closed = false;
  for (const warning of warnings) logger.warn({ problem: warning }, formatProblem(warning));

  const adopt = (problems: readonly Problem[], loaded: Catalog | undefined): void => {
    const newErrors = loaded === undefined ? problems : [];
    const newWarnings = loaded === undefined ? warnings : problems;
    const errorsChanged = !isDeepStrictEqual(newErrors, errors);
    if (!isDeepStrictEqual(newWarnings, warnings)) {
      for (const warning of newWarnings) logger.warn({ problem: warning }, formatProblem(warning));
    }
    errors = newErrors;
    warnings = newWarnings;
    if (loaded === undefined) {
      if (errorsChanged) logger.error({ problems }, describeRefusal(dir, problems));
    } else if (!isDeepStrictEqual({ ...loaded, generation: 0 }, { ...catalog, generation: 0 })) {
      const previous = catalog;
      catalog = loaded;
      const counts = {
        generation: loaded.generation,
        machines: loaded.machines.size,
        roles: loaded.roles.size,
      };
      logger.info(counts, 'the catalog was read again and is in force');
      options.onSwap?.(loaded, previous);
    } else if (errorsChanged) logger.info('the catalog is sound again, and as it was');
    if (errorsChanged) options.onProblems?.(errors);
  };

  const look = async (force: boolean): Promise<void> => {
    dirty = false;
    lastLook = now();
    const scan = scanProfiles(dir);
    watches.follow(scan.folders);
    if (!force && scan.fingerprint === seen.fingerprint) return;
    // Read until nothing changed while it was being read.
    for (let round = 0; round < 3; round++) {
      const before = await settledScan(dir, now);
      const loaded = await loadCatalog(dir, { ...options, generation: catalog.generation + 1 });
      const after = scanProfiles(dir);
      if (closed) return;
      if (before.fingerprint !== after.fingerprint) continue;
      seen = before;
      adopt(loaded.problems, loaded.catalog);
      return;
    }
    dirty = true;
  };
  const start = (force: boolean): Promise<void> => {
    running = look(force)
      .catch((error: unknown) => logger.error({ err: error }, 'the catalog could not be looked at'))
      .finally(() => {
        running = undefined;
      });
    return running;
  };
  // One look at a time. Who comes while one runs waits for the next, since the running one may have missed their edit;
  // all who wait share it, or many at once would keep it looking for ever.
  const run = (force: boolean): Promise<void> => {
    if (closed) return Promise.resolve();
    if (queued === undefined && running === undefined) return start(force);
    queuedForce ||= force;
    queued ??= Promise.resolve(running).then(() => {
      const forced = queuedForce;
      queued = undefined;
      queuedForce = false;
      return closed ? undefined : start(forced);
    });
    return queued;
  };

  const watches = watchFolders(() => {
    dirty = true;
    debounce ??= setTimeout(() => {
      debounce = undefined;
      if (dirty) void run(false);
    }, DEBOUNCE).unref();
  });
  watches.follow(seen.folders);
  const poll = setInterval(() => void run(false), pollInterval).unref();
  const close = async (): Promise<void> => {
    closed = true;
    clearInterval(poll);
    clearTimeout(debounce);
    watches.close();
    await running;
  };

  return {
    current: () => catalog,
    problems: () => errors,
    warnings: () => warnings,
    refresh: () => {
      // Whichever way: a clock that was set back must not put it off.
      if (!dirty && Math.abs(now() - lastLook) < checkInterval) return running ?? Promise.resolve();
      return run(false);
    },
    reload: () => run(true),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Waits until the youngest change is old enough to be whole; not for ever, if somebody keeps writing. */
async function settledScan(dir: string, now: () => number): Promise<ProfilesScan> {
  let scan = scanProfiles(dir);
  for (let round = 0; round < MAX_SETTLE_ROUNDS; round++) {
    const age = now() - scan.newestChange;
    // Younger than now by much: another machine's clock, not a fresh edit.
    if (age >= SETTLE_TIME || age < -1000) break;
    await sleep(SETTLE_TIME - Math.max(age, 0));
    scan = scanProfiles(dir);
  }
  return scan;
}

export function brokenCatalog(dir: string, problems: readonly Problem[]): TinderboxError {
  return new TinderboxError('invalid-catalog', describeErrors(dir, problems), { problems });
}

function describeRefusal(dir: string, problems: readonly Problem[]): string {
  return `${describeErrors(dir, problems)}\nThe edit is not in force; the last good catalog stays.`;
}

function describeErrors(dir: string, problems: readonly Problem[]): string {
  const errors = problems.filter((problem) => hasErrors([problem]));
  return `${dir} cannot be used:\n${errors.map((problem) => `  ${formatProblem(problem)}`).join('\n')}`;
}
