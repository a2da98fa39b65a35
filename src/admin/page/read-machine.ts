import { lastThatWorked } from '../../boot/compare-sessions.ts';
import type { BootEvent } from '../../machine/event.ts';
import type { Mac } from '../../machine/mac.ts';
import { machineView, type SessionView, sessionView } from '../api.ts';
import type { AdminServerOptions } from '../port.ts';
import type { MachineHistory } from './machine-model.ts';

/** More than the journal records of any session. */
const MOST_EVENTS = 10_000;
const MOST_SESSIONS = 100;

/**
 * What is shown of a machine: the wanted session, else its newest boot, with the last one that worked. Undefined: it
 * was never seen. A session that it does not have is as if none was wanted.
 */
export async function readMachine(
  { store, journal, clock }: Pick<AdminServerOptions, 'store' | 'journal' | 'clock'>,
  mac: Mac,
  wanted: { readonly session?: number | undefined; readonly window: number },
): Promise<MachineHistory | undefined> {
  // What was recorded a moment ago is on the page.
  await journal.flush();
  const found = await store.findMachine(mac);
  if (found === undefined) return undefined;
  const sessions = (await store.listSessions(mac, { limit: MOST_SESSIONS, offset: 0 })).map(sessionView);
  const boots = sessions.filter(({ signingUntil }) => signingUntil === undefined);
  const session = sessions.find(({ id }) => id === wanted.session) ?? boots[0] ?? sessions[0];
  const eventsOf = (one: SessionView | undefined): Promise<readonly BootEvent[]> =>
    store.listEvents({ mac, limit: MOST_EVENTS, ...(one === undefined ? {} : { sessionId: one.id }) });
  const former = session === undefined ? undefined : lastThatWorked(sessions, session.id);
  const [events, formerEvents] = await Promise.all([
    eventsOf(session),
    former === undefined ? [] : eventsOf(former),
  ]);
  return {
    machine: machineView(found.machine),
    sessions,
    session,
    events,
    former: former === undefined ? undefined : { session: former, events: formerEvents },
    window: wanted.window,
    now: clock(),
  };
}
