import formbody from '@fastify/formbody';
import type { FastifyInstance } from 'fastify';
import { type Mac, parseMac } from '../../machine/mac.ts';
import type { MachineOverview } from '../../store/port.ts';
import type { EventStreams } from '../event-stream.ts';
import type { AdminServerOptions } from '../port.ts';
import { writeMachineFilter } from '../read-machine-query.ts';
import { applyToMachines, readBulk } from './apply-to-machines.ts';
import { createFleetFeed } from './fleet-feed.ts';
import {
  type FleetQuery,
  fleetHref,
  pageLinks,
  pageOf,
  ROWS,
  readFleetQuery,
  sortLinks,
  stateLinks,
  withinPages,
} from './fleet-query.ts';
import { type FleetRow, fleetRow } from './fleet-row.ts';
import { createRoleNames } from './list-role-names.ts';
import type { Pages } from './render-page.ts';

type Query = Readonly<Record<string, unknown>>;

/** `/`: the fleet; `/fleet/live`: its rows as they change; `/fleet/approve` and so on: what is done to many at once. */
export function addFleet(
  app: FastifyInstance,
  options: AdminServerOptions,
  pages: Pages,
  streams: EventStreams,
): void {
  const { store, journal, clock, logger } = options;
  const roleNames = createRoleNames(options);
  const rowsOf = async (overviews: readonly MachineOverview[]): Promise<readonly FleetRow[]> => {
    const assigned = await options.assigned(overviews.map(({ machine }) => machine));
    return overviews.map((overview) => {
      const { mac } = overview.machine;
      return fleetRow(overview, assigned.get(mac), options.queue.positionOf(mac));
    });
  };
  const feed = createFleetFeed({
    streams,
    store,
    journal,
    clock,
    renderRows: async (overviews) =>
      (await rowsOf(overviews)).map((row) => pages.renderPart('fleet-row-live', { row })),
    async renderSummary() {
      const { machines, states } = await store.summarizeMachines({});
      return pages.renderPart('fleet-counts-live', {
        counts: [{ id: 'all', machines }, ...countsOf(states)],
      });
    },
    onError: (err) => logger.error({ err }, 'the live rows of the fleet failed'),
  });

  app.get<{ Querystring: Query }>('/', async (request, reply) => {
    const asked = readFleetQuery(request.query);
    await journal.flush();
    const at = clock();
    const [listed, summary] = await Promise.all([
      store.listMachines(pageOf(asked)),
      store.summarizeMachines(asked.filter),
    ]);
    const query = withinPages(asked, summary.matching);
    const overviews = query.page === asked.page ? listed : await store.listMachines(pageOf(query));
    // The address that a browser shows, without what a form sends of empty fields.
    if (request.headers['hx-request'] !== undefined) void reply.header('hx-replace-url', fleetHref(query));
    const roles = await roleNames();
    const filterRoles = [...new Set([...roles, ...summary.roles.map(({ name }) => name)])].toSorted();
    return pages.send(
      reply,
      'fleet',
      { title: 'Fleet', section: 'fleet' },
      {
        ...(await emptyModel(options, summary.machines)),
        rows: await rowsOf(overviews),
        states: stateLinks(query, summary),
        filterRoles: filterRoles.map((name) => ({ name, chosen: name === query.filter.role })),
        roles,
        filter: {
          state: query.filter.state,
          search: query.filter.search,
          sort: query.filter.sort,
          order: writeMachineFilter(query.filter).get('order') ?? undefined,
        },
        filtered: isFiltered(query),
        self: fleetHref(query),
        heads: sortLinks(query),
        paging: pageLinks(query, summary.matching),
        live: liveHref(query, overviews, at),
      },
    );
  });

  app.get<{ Querystring: Query }>('/fleet/live', (request, reply) => {
    const { rows, open, since } = request.query;
    const isBack = request.headers['last-event-id'] !== undefined;
    const macs = typeof rows === 'string' ? rows.split('.').slice(0, ROWS).flatMap(readCompactMac) : [];
    const at = typeof since === 'string' && /^\d{1,15}$/.test(since) ? Number(since) : undefined;
    feed.follow(reply.raw, {
      rows: new Set(macs),
      open: open === '1',
      ...(isBack || at === undefined ? {} : { since: at }),
    });
    reply.hijack();
  });

  void app.register(async (forms) => {
    // In here only: with forms elsewhere, pages of other origins could send what the API takes.
    await forms.register(formbody);
    // Asked first, done then: without the page's script, too.
    forms.post('/fleet/confirm', async (request, reply) => {
      const bulk = readBulk(request.body);
      const machines = await Promise.all(bulk.macs.map((mac) => store.findMachine(mac)));
      const rows = await rowsOf(machines.filter((found) => found !== undefined));
      return pages.send(
        reply,
        'fleet-confirm',
        { title: bulk.action === 'approve' ? 'Approve' : 'Give a role', section: 'fleet' },
        {
          ...bulk,
          revisions: [...bulk.revisions].map(([mac, revision]) => ({ mac, revision })),
          rows,
          approves: bulk.action === 'approve',
        },
      );
    });
    forms.post('/fleet/apply', async (request, reply) => {
      const bulk = readBulk(request.body);
      const results = await applyToMachines(options, bulk);
      const failed = results.filter(({ failed: refused }) => refused !== undefined).length;
      return pages.send(
        reply,
        'fleet-result',
        { title: 'Done', section: 'fleet' },
        { results, failed, done: results.length - failed, back: bulk.back },
      );
    });
  });
}

const isFiltered = ({ filter: { state, role, search } }: FleetQuery): boolean =>
  state !== undefined || role !== undefined || search !== undefined;

const countsOf = (states: Readonly<Record<string, number>>) =>
  Object.entries(states).map(([id, machines]) => ({ id, machines }));

/** Everything a page wants to hear of, in one address. */
function liveHref(query: FleetQuery, overviews: readonly MachineOverview[], at: number): string {
  const isWhole = query.page === 1 && overviews.length < ROWS && fleetHref(query) === '/';
  const fields = new URLSearchParams({
    rows: overviews.map(({ machine }) => machine.mac.replaceAll(':', '')).join('.'),
    open: isWhole ? '1' : '0',
    since: String(at),
  });
  return `/fleet/live?${fields.toString()}`;
}

function readCompactMac(text: string): readonly Mac[] {
  const mac = /^[\da-f]{12}$/.test(text) ? parseMac(text.replaceAll(/..(?=.)/g, '$&:')) : undefined;
  return mac === undefined ? [] : [mac];
}

/** What a new operator does next depends on where Tinderbox listens. */
async function emptyModel(options: AdminServerOptions, machines: number) {
  if (machines > 0) return { empty: undefined };
  const { interfaces, mode } = await options.status();
  return {
    empty: {
      mode,
      serving: interfaces.some(({ state }) => state === 'serving'),
      interfaces: interfaces.map(({ name, state, reason, addresses }) => ({
        name,
        state,
        reason,
        addresses: addresses.join(', '),
      })),
    },
  };
}
