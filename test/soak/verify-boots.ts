import { setTimeout as delay } from 'node:timers/promises';
import type { AdminClient } from '../../src/admin/client.ts';
import { toTinderboxError } from '../../src/errors.ts';
import { type Mac, parseMac } from '../../src/machine/mac.ts';

/** A boot that its machine saw through to its report, in milliseconds since the epoch. */
export interface FinishedBoot {
  readonly mac: string;
  readonly startedAt: number;
  readonly reportedAt: number;
}

/** Looks each finished boot up in the daemon's history. */
export interface BootVerifier {
  add(boot: FinishedBoot): void;
  readonly verified: () => number;
  /** Resolves when none waits any more. */
  finish(): Promise<void>;
}

/** Beyond, boots are not looked up: the soak must not be a load of its own. */
const MOST_WAITING = 100;
/** Milliseconds for which a daemon that is away is asked again. */
const PATIENCE = 90_000;
/** Milliseconds are cut off here and there. */
const CLOCKS_APART = 2;

export function createBootVerifier(options: {
  readonly client: Pick<AdminClient, 'machine' | 'events'>;
  /** The daemon was killed or out of disk meanwhile, and may have lost what it had not written yet. */
  readonly isExcused: (from: number, to: number) => boolean;
  readonly broken: (text: string) => void;
}): BootVerifier {
  const { client, isExcused, broken } = options;
  const waiting: FinishedBoot[] = [];
  /** The machine of each session that was seen: a number is never used again. */
  const owners = new Map<number, string>();
  let verified = 0;
  const working = new Set<Promise<void>>();

  async function work(): Promise<void> {
    for (let boot = waiting.shift(); boot !== undefined; boot = waiting.shift()) {
      const mac = parseMac(boot.mac);
      if (mac === undefined) continue;
      await verify(mac, boot);
    }
  }

  async function verify(mac: Mac, { startedAt, reportedAt }: FinishedBoot): Promise<void> {
    const label = `${mac}, which booted at ${new Date(reportedAt).toISOString()}`;
    try {
      const problem = await retried(() => findProblem(mac, startedAt, reportedAt));
      // One kill loses up to a batch that was not written yet.
      if (problem === undefined) verified++;
      else if (!isExcused(startedAt, reportedAt + 2_000)) broken(`${label}: ${problem}`);
    } catch (thrown) {
      const { message } = toTinderboxError(thrown);
      if (!isExcused(startedAt, reportedAt + 2_000))
        broken(`${label}: its timeline cannot be read: ${message}`);
    }
  }

  async function findProblem(mac: Mac, from: number, to: number): Promise<string | undefined> {
    const { sessions } = await client.machine(mac);
    // By its end: a boot that is reset before it gets its script is carried on by the next one.
    const session = sessions.find(
      ({ endedAt }) => endedAt !== undefined && endedAt >= from && endedAt <= to + CLOCKS_APART,
    );
    if (session === undefined) return 'its session is lost';
    const owner = owners.get(session.id);
    if (owner !== undefined && owner !== mac) return `its session ${session.id} was one of ${owner}`;
    owners.set(session.id, mac);
    if (session.stage !== 'booted') return `its session ${session.id} stands at ${session.stage}`;
    const { events } = await client.events(mac, session.id);
    if (!events.some(({ kind }) => kind === 'session.opened')) return `session ${session.id} never opened`;
    if (!events.some(({ stage }) => stage === 'booted'))
      return `session ${session.id} has no event of its report`;
    return undefined;
  }

  return {
    add(boot) {
      if (waiting.length >= MOST_WAITING) return;
      waiting.push(boot);
      if (working.size > 0) return;
      const begun: Promise<void> = work().finally(() => working.delete(begun));
      working.add(begun);
    },
    verified: () => verified,
    async finish() {
      await Promise.all(working);
    },
  };
}

async function retried<T>(ask: () => Promise<T>): Promise<T> {
  const until = performance.now() + PATIENCE;
  for (;;) {
    try {
      return await ask();
    } catch (thrown) {
      const { code } = toTinderboxError(thrown);
      if (code !== 'unavailable' || performance.now() > until) throw thrown;
      await delay(500);
    }
  }
}
