import type { FastifyInstance } from 'fastify';
import { TinderboxError } from '../../errors.ts';
import {
  type EventListView,
  type MachineDetailView,
  type MachineListView,
  machineView,
  overviewView,
  sessionView,
} from '../api.ts';
import { readEventQuery, readMac, readPage } from '../parse-request.ts';
import type { AdminServerOptions } from '../port.ts';
import { readMachineFilter } from '../read-machine-query.ts';

const SESSION_LIMIT = 100;

type Query = Readonly<Record<string, unknown>>;
type MachineRoute = { Params: { mac: string }; Querystring: Query };

/** What the journal knows of machines, their boots and events. */
export function addMachineRoutes(app: FastifyInstance, options: AdminServerOptions): void {
  app.get<{ Querystring: Query }>('/api/v1/machines', ({ query }) => listMachines(options, query));
  app.get<MachineRoute>('/api/v1/machines/:mac', ({ params }) => showMachine(options, params.mac));
  app.get<MachineRoute>('/api/v1/machines/:mac/events', ({ params, query }) =>
    listEvents(options, params.mac, query),
  );
}

/** What was recorded a moment ago is in the answer: the journal is written out first. */
async function listMachines(
  { store, journal, queue }: AdminServerOptions,
  query: Query,
): Promise<MachineListView> {
  const wanted = { ...readPage(query), ...readMachineFilter(query) };
  await journal.flush();
  const machines = await store.listMachines(wanted);
  return { machines: machines.map((each) => overviewView(each, queue.positionOf(each.machine.mac))) };
}

async function showMachine(
  { store, journal, assigned, queue }: AdminServerOptions,
  text: string,
): Promise<MachineDetailView> {
  const mac = readMac(text);
  await journal.flush();
  const found = await store.findMachine(mac);
  if (found === undefined) throw neverSeen(mac);
  const sessions = await store.listSessions(mac, { limit: SESSION_LIMIT, offset: 0 });
  const turn = queue.positionOf(mac);
  const once = (await assigned([found.machine])).get(mac)?.once;
  return {
    machine: machineView(found.machine),
    sessions: sessions.map(sessionView),
    ...(once === undefined ? {} : { once }),
    ...(turn === undefined ? {} : { turn }),
  };
}

async function listEvents(
  { store, journal }: AdminServerOptions,
  text: string,
  query: Query,
): Promise<EventListView> {
  const mac = readMac(text);
  const wanted = readEventQuery(query);
  await journal.flush();
  if ((await store.findMachine(mac)) === undefined) throw neverSeen(mac);
  return { events: await store.listEvents({ mac, ...wanted }) };
}

function neverSeen(mac: string): TinderboxError {
  return new TinderboxError('not-found', `${mac} was never seen`, {
    remedy:
      'list the machines that were with `tinderbox machines`; power it on, with its first boot device the network',
  });
}
