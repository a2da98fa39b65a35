import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { TinderboxError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { BootEvent } from '../machine/event.ts';
import type { OnceUse } from '../machine/once.ts';
import type { BootSession } from '../machine/session.ts';
import type { DatabaseOpening } from './open-sound.ts';
import { packLeases } from './pack-leases.ts';
import type {
  AdmissionRecord,
  AuditRecord,
  FleetSummary,
  GivenCertificate,
  HistorySize,
  Lease,
  MachineOverview,
  Release,
  Store,
  StoredState,
  StoreReader,
} from './port.ts';
import type { SqliteOptions } from './sqlite-database.ts';
import { errorFromMessage } from './sqlite-errors.ts';
import type { StoreAnswer, StoreCall, StoreThreadOptions } from './sqlite-messages.ts';
import { openSqliteReader } from './sqlite-reader.ts';
import type { ReleaseCall, ReleaseOutcome } from './sqlite-release-group.ts';

export interface OpenStoreOptions extends SqliteOptions {
  readonly logger?: Logger;
  /**
   * Called once, when a call finds the file damaged, or the thread ended: whoever opened it should end, and the next start
   * mends it.
   */
  readonly onFailure?: (error: TinderboxError) => void;
  /** Called with each call that was answered, and the milliseconds that the thread took for it. */
  readonly onCall?: (name: StoreCall['name'], ms: number) => void;
}

export interface OpenedStore extends Store {
  readonly opening: DatabaseOpening;
}

/** One commit of leases, shared by all who asked while the one before was being written. */
interface LeaseGroup {
  readonly leases: Lease[];
  readonly done: PromiseWithResolvers<void>;
}

interface Waiting {
  readonly call: StoreCall;
  readonly done: PromiseWithResolvers<unknown>;
}

/** Leases go first; but after so many commits in a row one of the others has its turn, or a storm would starve them. */
const LEASES_IN_A_ROW = 8;

/** The thread answers nothing else meanwhile. */
const RELEASES_AT_ONCE = 128;

const RELEASE_CALLS: ReadonlySet<string> = new Set<ReleaseCall['name']>([
  'releaseOf',
  'beginRelease',
  'completeRelease',
  'certificateOf',
  'giveCertificate',
]);

function isOfReleases(call: StoreCall): call is Extract<StoreCall, ReleaseCall> {
  return RELEASE_CALLS.has(call.name);
}

/**
 * The store port on SQLite in a thread of its own. Rejects with TinderboxError: `newer-database`, `in-use` (another
 * daemon has it), `refused`, `unavailable` (disk full), each with its remedy. A damaged database is set aside and said. A call that fails changes
 * nothing, and the store goes on.
 */
export async function openStore(options: OpenStoreOptions): Promise<OpenedStore> {
  const { logger, onFailure, onCall, ...threadOptions } = options;
  const { thread, opening } = await startThread(threadOptions);
  sayDamage(opening, options.file, logger);

  let group: LeaseGroup | undefined;
  const questions: Waiting[] = [];
  const history: Waiting[] = [];
  let underWay: Waiting | undefined;
  let leasesInARow = 0;
  let closing: Promise<void> | undefined;
  let broken: TinderboxError | undefined;
  let isFailed = false;

  thread.on('message', (message: StoreAnswer) => {
    const answered = underWay?.done;
    if (message.kind === 'done' && underWay !== undefined) onCall?.(underWay.call.name, message.ms);
    underWay = undefined;
    if (message.kind === 'failed') {
      const error = errorFromMessage(message.error);
      if (message.error.damage === true) sayFailure(error);
      answered?.reject(error);
    } else answered?.resolve(message.kind === 'done' ? message.value : undefined);
    next();
  });
  thread.on('error', (error) => fail(error));
  thread.on('exit', (code) => {
    if (closing === undefined || underWay !== undefined) fail(new Error(`it ended with code ${code}`));
  });

  function sayFailure(error: TinderboxError): void {
    if (isFailed) return;
    isFailed = true;
    onFailure?.(error);
  }

  function fail(cause: Error): void {
    if (broken !== undefined) return;
    broken = new TinderboxError('unavailable', `the database's thread stopped: ${cause.message}`, {
      cause,
      remedy: 'Restart the daemon; nothing that was confirmed is lost.',
    });
    logger?.error({ err: cause }, broken.message);
    sayFailure(broken);
    underWay?.done.reject(broken);
    underWay = undefined;
    next();
  }

  function next(): void {
    if (broken !== undefined) {
      group?.done.reject(broken);
      group = undefined;
      for (const waiting of [...questions.splice(0), ...history.splice(0)]) waiting.done.reject(broken);
      return;
    }
    if (underWay !== undefined) return;
    const others = questions.length > 0 ? questions : history;
    const turnOfOthers =
      leasesInARow >= LEASES_IN_A_ROW && others[0] !== undefined && others[0].call.name !== 'close';
    if (group !== undefined && !turnOfOthers) {
      const { leases, done } = group;
      group = undefined;
      leasesInARow++;
      send({ name: 'commitPacked', args: [packLeases(leases)] }, done as PromiseWithResolvers<unknown>);
      return;
    }
    leasesInARow = 0;
    const waiting = others.shift();
    if (waiting === undefined) return;
    if (isOfReleases(waiting.call)) sendReleases(waiting, waiting.call);
    else send(waiting.call, waiting.done);
  }

  /** With all others of their kind that wait: they share a commit. */
  function sendReleases(first: Waiting, call: ReleaseCall): void {
    const asked: Waiting[] = [first];
    const calls: ReleaseCall[] = [call];
    for (const waiting of questions.splice(0)) {
      if (calls.length < RELEASES_AT_ONCE && isOfReleases(waiting.call)) {
        asked.push(waiting);
        calls.push(waiting.call);
      } else questions.push(waiting);
    }
    const done = Promise.withResolvers<unknown>();
    send({ name: 'releaseGroup', args: [calls] }, done);
    void settleReleases(asked, done.promise as Promise<readonly ReleaseOutcome[]>);
  }

  async function settleReleases(
    asked: readonly Waiting[],
    outcomes: Promise<readonly ReleaseOutcome[]>,
  ): Promise<void> {
    try {
      for (const [at, outcome] of (await outcomes).entries()) {
        const waiting = asked[at]?.done;
        if (outcome.kind === 'done') waiting?.resolve(outcome.value);
        else {
          const error = errorFromMessage(outcome.error);
          if (outcome.error.damage === true) sayFailure(error);
          waiting?.reject(error);
        }
      }
    } catch (error) {
      for (const waiting of asked) waiting.done.reject(error);
    }
  }

  function send(call: StoreCall, done: PromiseWithResolvers<unknown>): void {
    underWay = { call, done };
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    thread.postMessage(call);
  }

  function ask<T>(call: StoreCall, queue: Waiting[] = questions): Promise<T> {
    if (closing !== undefined && call.name !== 'close') return Promise.reject(closedError());
    const done = Promise.withResolvers<unknown>();
    queue.push({ call, done });
    next();
    return done.promise as Promise<T>;
  }

  function commitLeases(leases: readonly Lease[]): Promise<void> {
    if (closing !== undefined) return Promise.reject(closedError());
    if (leases.length === 0) return Promise.resolve();
    if (group === undefined) {
      group = { leases: [], done: Promise.withResolvers<void>() };
      // Not at once: what was received together is committed together, and the first lease not alone.
      setImmediate(next);
    }
    for (const lease of leases) group.leases.push(lease);
    return group.done.promise;
  }

  return {
    opening,
    load: () => ask<StoredState>({ name: 'load', args: [] }),
    commitLeases,
    appendHistory: (batch) => ask<void>({ name: 'appendHistory', args: [batch] }, history),
    // Behind the history that was appended before: it could bring the machine back.
    forgetMachine: (mac) => ask<boolean>({ name: 'forgetMachine', args: [mac] }, history),
    putAdmission: (admission) => ask<void>({ name: 'putAdmission', args: [admission] }),
    dropAdmission: (mac) => ask<void>({ name: 'dropAdmission', args: [mac] }),
    listAdmissions: () => ask<readonly AdmissionRecord[]>({ name: 'listAdmissions', args: [] }),
    putOnceUse: (use) => ask<void>({ name: 'putOnceUse', args: [use] }),
    dropOnceUse: (mac) => ask<void>({ name: 'dropOnceUse', args: [mac] }),
    holdOnceUses: (uses) => ask<void>({ name: 'holdOnceUses', args: [uses] }),
    listOnceUses: () => ask<readonly OnceUse[]>({ name: 'listOnceUses', args: [] }),
    // After the history that was appended before, and never in front of a lease.
    appendAudit: (records) => ask<void>({ name: 'appendAudit', args: [records] }, history),
    listAudit: (page) => ask<readonly AuditRecord[]>({ name: 'listAudit', args: [page] }),
    releaseOf: (sessionId) => ask<Release | undefined>({ name: 'releaseOf', args: [sessionId] }),
    beginRelease: (owner, release) => ask<boolean>({ name: 'beginRelease', args: [owner, release] }),
    completeRelease: (sessionId, at) => ask<void>({ name: 'completeRelease', args: [sessionId, at] }),
    certificateOf: (sessionId, name) =>
      ask<GivenCertificate | undefined>({ name: 'certificateOf', args: [sessionId, name] }),
    giveCertificate: (owner, certificate) =>
      ask<boolean>({ name: 'giveCertificate', args: [owner, certificate] }),
    listMachines: (query) => ask<readonly MachineOverview[]>({ name: 'listMachines', args: [query] }),
    summarizeMachines: (query) => ask<FleetSummary>({ name: 'summarizeMachines', args: [query] }),
    findMachine: (mac) => ask<MachineOverview | undefined>({ name: 'findMachine', args: [mac] }),
    listSessions: (mac, page) => ask<readonly BootSession[]>({ name: 'listSessions', args: [mac, page] }),
    listEvents: (query) => ask<readonly BootEvent[]>({ name: 'listEvents', args: [query] }),
    tidyHistory: (now) => ask<boolean>({ name: 'tidyHistory', args: [now] }, history),
    measureHistory: () => ask<HistorySize>({ name: 'measureHistory', args: [] }),
    // Last in the last queue, so what was asked before is still done.
    close: () => (closing ??= closeThread(thread, ask<void>({ name: 'close', args: [] }, history))),
  };
}

/** What the CLI may ask where no daemon runs. Throws as `openStore` does, and `not-found` where nothing is stored yet. */
export async function openStoreReadOnly(file: string): Promise<StoreReader> {
  const reader = openSqliteReader(file);
  return {
    listMachines: async (query) => reader.listMachines(query),
    summarizeMachines: async (query) => reader.summarizeMachines(query),
    findMachine: async (mac) => reader.findMachine(mac),
    listSessions: async (mac, page) => reader.listSessions(mac, page),
    listEvents: async (query) => reader.listEvents(query),
    listAdmissions: async () => reader.listAdmissions(),
    listOnceUses: async () => reader.listOnceUses(),
    listAudit: async (page) => reader.listAudit(page),
    close: async () => reader.close(),
  };
}

function closedError(): TinderboxError {
  return new TinderboxError('unavailable', 'the database is closed');
}

function sayDamage({ damaged }: DatabaseOpening, file: string, logger: Logger | undefined): void {
  if (damaged === undefined) return;
  logger?.error(
    damaged,
    `${file} was damaged (${damaged.reason}): history begins anew, ${damaged.savedLeases} lease(s) could be saved; the damaged file is kept as ${damaged.file}`,
  );
}

async function startThread(
  options: StoreThreadOptions,
): Promise<{ readonly thread: Worker; readonly opening: DatabaseOpening }> {
  // The sources run as they are; the installable package holds the same files as .js.
  const entry = new URL(`./sqlite-worker${extname(import.meta.url)}`, import.meta.url);
  // Without the process's own flags: loaders that it was started with are not for this thread.
  const thread = new Worker(entry, { workerData: options, name: 'store', execArgv: [] });
  const { promise, resolve, reject } = Promise.withResolvers<StoreAnswer>();
  thread.once('message', resolve);
  thread.once('error', reject);
  const answer = await promise;
  thread.removeListener('error', reject);
  if (answer.kind === 'failed') {
    await thread.terminate();
    throw errorFromMessage(answer.error);
  }
  return { thread, opening: answer.kind === 'opened' ? answer.opening : { created: false } };
}

async function closeThread(thread: Worker, closed: Promise<void>): Promise<void> {
  const exited = new Promise((resolve) => thread.once('exit', resolve));
  try {
    await closed;
    await exited;
  } finally {
    await thread.terminate();
  }
}
