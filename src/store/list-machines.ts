import type { Database, Statement } from 'better-sqlite3';
import { FLEET_STATES, type FleetState } from '../machine/fleet-state.ts';
import { STAGES } from '../machine/stage.ts';
import type { FleetSummary, MachineQuery, MachineSort } from './port.ts';

/** As `fleetState` of machine/fleet-state.ts has it. */
const STATE = `CASE
  WHEN s.id IS NULL OR s.ended_as = 'superseded' THEN 'unknown'
  WHEN s.ended_as IS NOT NULL THEN s.ended_as
  WHEN s.waiting_since IS NOT NULL THEN 'waiting'
  WHEN s.failed_at IS NOT NULL THEN 'failed'
  WHEN s.stalled IS NOT NULL THEN 'stalled'
  ELSE 'booting' END`;

const ADDRESS = 'coalesce(s.address, m.address)';
const OCTETS = [24, 16, 8, 0].map((shift) => `(${ADDRESS} >> ${shift} & 255)`).join(` || '.' || `);

/** Everything that a search looks at, in lower case. A line break is in no term, so that none reaches over two fields. */
const TEXT = `lower(concat_ws(char(10), m.mac, replace(m.mac, ':', ''), s.hostname, m.hostname, s.role, m.serial, m.asset,
  m.uuid, m.manufacturer, m.product, ${OCTETS}))`;

const FROM = `FROM machines m LEFT JOIN sessions s
  ON s.id = (SELECT id FROM sessions WHERE mac = m.mac AND signing_until IS NULL ORDER BY id DESC LIMIT 1)`;

const MATCHES = `(@state IS NULL OR ${STATE} = @state) AND (@role IS NULL OR s.role = @role)
  AND (@terms IS NULL OR NOT EXISTS (SELECT 1 FROM json_each(@terms) WHERE instr(${TEXT}, value) = 0))`;

const rank = (column: string, words: readonly string[]): string =>
  `CASE ${column} ${words.map((word, index) => `WHEN '${word}' THEN ${index}`).join(' ')} END`;

/** What is not known comes last, either way round. */
const SORTS: Readonly<Record<MachineSort, string>> = {
  seen: 'm.last_seen',
  mac: 'm.mac',
  hostname: 'lower(coalesce(s.hostname, m.hostname))',
  role: 's.role',
  state: rank(STATE, FLEET_STATES),
  stage: rank('s.stage', STAGES),
  address: ADDRESS,
};

const MOST_TERMS = 8;
const MOST_TERM = 64;

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

interface Filter {
  readonly state: string | null;
  readonly role: string | null;
  readonly terms: string | null;
}

export interface MachineLists {
  /** Of those that match, a page in the order wanted. */
  macs(query: MachineQuery): readonly string[];
  summary(query: Pick<MachineQuery, 'state' | 'role' | 'search'>): FleetSummary;
}

/** Ten thousand machines are looked through in some tens of milliseconds. */
export function prepareMachineLists(database: Database): MachineLists {
  const statements = new Map<
    string,
    Statement<[Filter & { limit: number; offset: number }], { mac: string }>
  >();
  const count = database.prepare<
    [Filter],
    {
      readonly state: FleetState;
      readonly role: string | null;
      readonly machines: number;
      readonly matching: number;
    }
  >(
    `SELECT ${STATE} AS state, s.role AS role, count(*) AS machines, sum(${MATCHES}) AS matching ${FROM} GROUP BY 1, 2`,
  );

  function statementFor(sort: MachineSort, reverse: boolean) {
    const key = `${sort} ${reverse}`;
    const known = statements.get(key);
    if (known !== undefined) return known;
    const column = SORTS[sort];
    const made = database.prepare<[Filter & { limit: number; offset: number }], { mac: string }>(
      `SELECT m.mac AS mac ${FROM} WHERE ${MATCHES}
       ORDER BY ${column} IS NULL, ${column} ${reverse ? 'DESC' : 'ASC'}, m.mac LIMIT @limit OFFSET @offset`,
    );
    statements.set(key, made);
    return made;
  }

  return {
    macs(query) {
      const { sort = 'seen', limit, offset } = query;
      // The newest first, where nobody said otherwise.
      const reverse = query.reverse ?? sort === 'seen';
      return statementFor(sort, reverse)
        .all({ ...filterOf(query), limit, offset })
        .map(({ mac }) => mac);
    },
    summary(query) {
      const rows = count.all(filterOf(query));
      const roles = new Map<string, number>();
      for (const { role, machines } of rows)
        if (role !== null) roles.set(role, (roles.get(role) ?? 0) + machines);
      return {
        machines: sum(rows.map(({ machines }) => machines)),
        matching: sum(rows.map(({ matching }) => matching)),
        states: Object.fromEntries(
          FLEET_STATES.map((state) => [
            state,
            sum(rows.filter((row) => row.state === state).map(({ machines }) => machines)),
          ]),
        ) as Record<FleetState, number>,
        roles: [...roles]
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, machines]) => ({ name, machines })),
      };
    },
  };
}

function filterOf({ state, role, search = '' }: Pick<MachineQuery, 'state' | 'role' | 'search'>): Filter {
  const terms = search
    .toLowerCase()
    .split(/\s+/)
    .filter((term) => term !== '')
    .slice(0, MOST_TERMS)
    .map((term) => withoutSeparators(term.slice(0, MOST_TERM)));
  return {
    state: state ?? null,
    role: role ?? null,
    terms: terms.length === 0 ? null : JSON.stringify(terms),
  };
}

/** A MAC as a switch or a label writes it: `52-54-00…`, `5254.0012.3456`. Not what may be an address. */
function withoutSeparators(term: string): string {
  const isMac =
    /^[\da-f]{2}(?:[-:][\da-f]{2})+$/.test(term) || /^[\da-f]{4}(?:\.[\da-f]{4}){1,2}$/.test(term);
  return isMac ? term.replaceAll(/[-:.]/g, '') : term;
}
