import { FLEET_STATES } from '../../machine/fleet-state.ts';
import type { FleetSummary, MachineQuery, MachineSort, Page } from '../../store/port.ts';
import { readMachineFilter, writeMachineFilter } from '../read-machine-query.ts';
import { STATE_WORDS } from './fleet-row.ts';

/** Rows of a page: one screen or two, and some 60 KB. */
export const ROWS = 50;

export type FleetFilter = Omit<MachineQuery, keyof Page>;

export interface FleetQuery {
  readonly filter: FleetFilter;
  /** From 1. */
  readonly page: number;
}

/** Of `/`. What is no number of a page is the first. Throws TinderboxError `usage` for a state or an order that is not. */
export function readFleetQuery(query: Readonly<Record<string, unknown>>): FleetQuery {
  const text = query['page'];
  const page = typeof text === 'string' && /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 1;
  return { filter: readMachineFilter(query), page };
}

export const pageOf = ({ filter, page }: FleetQuery): MachineQuery => ({
  ...filter,
  limit: ROWS,
  offset: (page - 1) * ROWS,
});

/** The last page where that is asked for which is beyond it: an operator who deals with all of it is not shown an empty one. */
export function withinPages(query: FleetQuery, matching: number): FleetQuery {
  return { ...query, page: Math.min(query.page, lastPage(matching)) };
}

const lastPage = (matching: number): number => Math.max(1, Math.ceil(matching / ROWS));

export function fleetHref({ filter, page }: FleetQuery): string {
  const fields = writeMachineFilter(filter);
  if (page > 1) fields.set('page', String(page));
  const text = fields.toString();
  return text === '' ? '/' : `/?${text}`;
}

const link = (filter: FleetFilter): string => fleetHref({ filter, page: 1 });

/** Links that keep everything else as it is. */
export function stateLinks(query: FleetQuery, summary: FleetSummary) {
  const { state: chosen, ...rest } = query.filter;
  return [
    {
      label: 'all',
      id: 'all',
      tone: 'all',
      machines: summary.machines,
      href: link(rest),
      current: chosen === undefined,
    },
    ...FLEET_STATES.map((state) => ({
      ...STATE_WORDS[state],
      id: state,
      machines: summary.states[state],
      href: link({ ...rest, state }),
      current: state === chosen,
    })),
  ];
}

const COLUMNS: readonly { readonly sort: MachineSort; readonly label: string }[] = [
  { sort: 'state', label: 'State' },
  { sort: 'hostname', label: 'Machine' },
  { sort: 'role', label: 'Role' },
  { sort: 'stage', label: 'Stage' },
  { sort: 'address', label: 'Address' },
];

/** Headings that sort; the one in force turns round. The last two are apart, since what stands between them does not sort. */
export function sortLinks({ filter }: FleetQuery) {
  const { sort = 'seen', reverse, ...rest } = filter;
  const heading = (column: { readonly sort: MachineSort; readonly label: string }) => {
    const isCurrent = column.sort === sort;
    const isReverse = isCurrent && (reverse ?? sort === 'seen');
    const wanted: FleetFilter = {
      ...rest,
      sort: column.sort,
      reverse: isCurrent ? !isReverse : column.sort === 'seen',
    };
    return {
      label: column.label,
      href: fleetHref({ filter: wanted, page: 1 }),
      order: isCurrent ? (isReverse ? 'descending' : 'ascending') : 'none',
      sign: isCurrent ? (isReverse ? '↓' : '↑') : '',
    };
  };
  const columns = COLUMNS.map(heading);
  const seen = heading({ sort: 'seen', label: 'Seen' });
  const current = [...columns, seen].find(({ sign }) => sign !== '') ?? { label: 'MAC', sign: '' };
  return { columns, seen, current: `${current.label} ${current.sign}`.trim() };
}

export function pageLinks(query: FleetQuery, matching: number) {
  const last = lastPage(matching);
  const { page, filter } = query;
  const toPage = (wanted: number): string => fleetHref({ filter, page: wanted });
  return {
    first: matching === 0 ? 0 : (page - 1) * ROWS + 1,
    last: Math.min(page * ROWS, matching),
    matching,
    several: last > 1,
    previous: page > 1 ? toPage(page - 1) : undefined,
    next: page < last ? toPage(page + 1) : undefined,
  };
}
