import { TinderboxError } from '../errors.ts';
import { FLEET_STATES } from '../machine/fleet-state.ts';
import { MACHINE_SORTS, type MachineQuery, type Page } from '../store/port.ts';

type Fields = Readonly<Record<string, unknown>>;

const MOST_SEARCH = 200;

/**
 * `state`, `role`, `search`, `sort` and `order` of a query string, which the page and the API share; an empty one is as
 * good as none. Throws TinderboxError `usage`.
 */
export function readMachineFilter(query: Fields): Omit<MachineQuery, keyof Page> {
  const state = oneOf(query, 'state', FLEET_STATES);
  const sort = oneOf(query, 'sort', MACHINE_SORTS);
  const order = oneOf(query, 'order', ['asc', 'desc'] as const);
  const role = textOf(query, 'role');
  const search = textOf(query, 'search');
  return {
    ...(state === undefined ? {} : { state }),
    ...(role === undefined ? {} : { role }),
    ...(search === undefined ? {} : { search }),
    ...(sort === undefined ? {} : { sort }),
    ...(order === undefined ? {} : { reverse: order === 'desc' }),
  };
}

/** The other way round, for links and the client. */
export function writeMachineFilter(filter: Omit<MachineQuery, keyof Page>): URLSearchParams {
  const { state, role, search, sort, reverse } = filter;
  const order = reverse === undefined ? undefined : reverse ? 'desc' : 'asc';
  const fields = Object.entries({ state, role, search, sort, order });
  return new URLSearchParams(
    fields.flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, value]])),
  );
}

function oneOf<T extends string>(query: Fields, name: string, allowed: readonly T[]): T | undefined {
  const text = textOf(query, name);
  if (text === undefined) return undefined;
  const found = allowed.find((one) => one === text);
  if (found !== undefined) return found;
  throw new TinderboxError('usage', `${name} is ${JSON.stringify(text)}`, {
    remedy: `allowed are ${allowed.join(', ')}`,
  });
}

function textOf(query: Fields, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string')
    throw new TinderboxError('usage', `${name} is given more than once`, { remedy: 'give it once' });
  if (value.length > MOST_SEARCH)
    throw new TinderboxError('usage', `${name} has more than ${MOST_SEARCH} characters`, {
      remedy: 'ask for less',
    });
  return value;
}
