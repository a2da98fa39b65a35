import { join } from 'node:path';
import { machineView, overviewView, sessionView } from './admin/api.ts';
import type { AdminClient } from './admin/client.ts';
import type { Config } from './config/port.ts';
import { TinderboxError } from './errors.ts';
import { admissionsOf } from './known-holders.ts';
import { DATABASE_FILE } from './preflight-state.ts';
import type { StoreReader } from './store/port.ts';
import { openStoreReadOnly } from './store/sqlite-store.ts';

const MAX_EVENTS = 1000;

/**
 * Answers from the database of a daemon that does not run: who was seen, and what became of their boots. What needs
 * a daemon throws `unavailable`. Throws `not-found` if there is no database.
 */
export async function openOfflineClient(config: Config): Promise<AdminClient & AsyncDisposable> {
  const store = await openStoreReadOnly(join(config.paths.state, DATABASE_FILE));
  return {
    listMachines: async (page = { limit: 1000, offset: 0 }) => ({
      machines: (await store.listMachines(page)).map((each) => overviewView(each)),
    }),
    machine: async (mac) => {
      const found = await store.findMachine(mac);
      if (found === undefined) throw new TinderboxError('not-found', `${mac} was never seen`);
      const sessions = await store.listSessions(mac, { limit: 50, offset: 0 });
      return { machine: machineView(found.machine), sessions: sessions.map(sessionView) };
    },
    events: async (mac, sessionId) => ({ events: await readEvents(store, mac, sessionId) }),
    admissions: () => admissionsOf(store),
    capture: needsDaemon,
    console: needsDaemon,
    explain: needsDaemon,
    audit: async (page = { limit: 100, offset: 0 }) => ({ records: await store.listAudit(page) }),
    token: needsDaemon,
    renewToken: needsDaemon,
    doctor: needsDaemon,
    status: needsDaemon,
    metrics: needsDaemon,
    approve: needsDaemon,
    forget: needsDaemon,
    assign: needsDaemon,
    makeSigningToken: needsDaemon,
    power: needsDaemon,
    queue: needsDaemon,
    moveUp: needsDaemon,
    roles: needsDaemon,
    role: needsDaemon,
    preview: needsDaemon,
    reload: needsDaemon,
    log: needsDaemon,
    changeLog: needsDaemon,
    copyDatabase: needsDaemon,
    follow: needsDaemon,
    [Symbol.asyncDispose]: () => store.close(),
  };
}

function readEvents(
  store: StoreReader,
  mac: Parameters<AdminClient['events']>[0],
  sessionId: number | undefined,
) {
  return store.listEvents({ mac, limit: MAX_EVENTS, ...(sessionId === undefined ? {} : { sessionId }) });
}

function needsDaemon(): never {
  throw new TinderboxError('unavailable', 'tinderbox is not running', {
    remedy: 'Start it: sudo systemctl start tinderbox, or sudo tinderbox serve.',
  });
}
