import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { fleetState } from '../../src/machine/fleet-state.ts';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { BootSession } from '../../src/machine/session.ts';
import type { MachineQuery, MachineRecord } from '../../src/store/port.ts';
import { openSqliteDatabase } from '../../src/store/sqlite-database.ts';

const PAGE = { limit: 100, offset: 0 };
const STALLED: BootSession['stalled'] = {
  at: 9,
  stage: 'offered',
  diagnosis: { name: 'no-offer-taken', title: 'no offer was taken', evidence: [], remedy: 'try server mode' },
};

const macOf = (number: number): Mac => `52:54:00:00:00:${number.toString(16).padStart(2, '0')}` as Mac;

/** Each in a state of its own, in the order in which they were seen. */
const SESSIONS: readonly (Partial<BootSession> | undefined)[] = [
  undefined,
  {},
  { waitingSince: 1, failedAt: 2, stalled: STALLED },
  { failedAt: 2, stalled: STALLED },
  { stalled: STALLED, stage: 'offered' },
  { end: 'ready', stage: 'ready', role: 'worker', hostname: 'n-5', address: 0x0a4d0065 as Ipv4 },
  { end: 'booted', stage: 'booted', stalled: STALLED, role: 'etcd' },
  { end: 'handed-over' },
  { end: 'superseded' },
  { signingUntil: 99, role: 'etcd' },
];

function database(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'tb-list-'));
  const opened = openSqliteDatabase({ file: join(folder, 'state.db'), durability: 'process' });
  t.teardown(() => {
    opened.close();
    rmSync(folder, { recursive: true });
  });
  return opened;
}

const machineOf = (mac: Mac, lastSeen: number, more: Partial<MachineRecord> = {}): MachineRecord => ({
  mac,
  firstSeen: 0,
  lastSeen,
  ...more,
});
const sessionOf = (mac: Mac, id: number, more: Partial<BootSession> = {}): BootSession => ({
  id,
  mac,
  openedAt: 0,
  updatedAt: 1,
  stage: 'discovered',
  stageTimes: {},
  ...more,
});

function fleet(t: Test) {
  const opened = database(t);
  const facts: Readonly<Record<number, Partial<MachineRecord>>> = {
    0: { manufacturer: 'Dell Inc.', product: 'PowerEdge R640', serial: '100%_X' },
    1: { hostname: 'Öl', address: 0x0a4d0007 as Ipv4, uuid: 'abcd-ef' },
  };
  opened.appendHistory({
    machines: SESSIONS.map((_session, index) => machineOf(macOf(index), index, facts[index])),
    sessions: SESSIONS.flatMap((session, index) =>
      session === undefined ? [] : [sessionOf(macOf(index), index + 1, session)],
    ),
    events: [],
  });
  return opened;
}

t.test('the database and the program mean the same by a state', (t) => {
  const opened = fleet(t);
  const { states, machines, roles } = opened.summarizeMachines({});
  t.same(states, {
    waiting: 1,
    failed: 1,
    stalled: 1,
    booting: 1,
    ready: 1,
    booted: 1,
    'handed-over': 1,
    unknown: 3,
  });
  t.equal(machines, SESSIONS.length);
  t.same(roles, [
    { name: 'etcd', machines: 1 },
    { name: 'worker', machines: 1 },
  ]);
  for (const state of Object.keys(states) as (keyof typeof states)[]) {
    const found = opened.listMachines({ ...PAGE, state });
    t.equal(found.length, states[state], state);
    t.ok(
      found.every(({ session }) => fleetState(session) === state),
      state,
    );
    t.equal(opened.summarizeMachines({ state }).matching, states[state], state);
  }
  t.end();
});

t.test('a search finds each word anywhere, and takes no sign for a pattern', (t) => {
  const opened = fleet(t);
  const table: readonly [search: string, found: readonly number[]][] = [
    ['poweredge', [0]],
    ['DELL r640', [0]],
    ['dell n-5', []],
    ['100%_', [0]],
    ['%', [0]],
    ['_', [0]],
    ["' OR 1=1 --", []],
    ['10.77.0.101', [5]],
    ['10.77.0', [5, 1]],
    ['52-54-00-00-00-03', [3]],
    ['5254.0000.0003', [3]],
    ['00:03', [3]],
    ['525400000003', [3]],
    ['worker', [5]],
    ['abcd-ef', [1]],
    ['  ', [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]],
  ];
  for (const [search, found] of table) {
    const macs = opened.listMachines({ ...PAGE, search }).map(({ machine }) => machine.mac);
    t.same(macs, found.map(macOf), search);
    t.equal(opened.summarizeMachines({ search }).matching, found.length, search);
  }
  t.end();
});

t.test('sorted either way, what is not known comes last', (t) => {
  const opened = fleet(t);
  const first = (query: Partial<MachineQuery>): number =>
    Number.parseInt(opened.listMachines({ ...PAGE, ...query })[0]?.machine.mac.slice(-2) ?? '', 16);
  t.equal(first({ sort: 'seen' }), 9);
  t.equal(first({ sort: 'seen', reverse: false }), 0);
  t.equal(first({ sort: 'mac' }), 0);
  t.equal(first({ sort: 'mac', reverse: true }), 9);
  t.equal(first({ sort: 'hostname' }), 5);
  t.equal(first({ sort: 'role' }), 6);
  t.equal(first({ sort: 'role', reverse: true }), 5);
  t.equal(first({ sort: 'state' }), 2);
  t.equal(first({ sort: 'stage', reverse: true }), 5);
  t.equal(first({ sort: 'address' }), 1);
  t.same(
    opened.listMachines({ limit: 2, offset: 1, sort: 'mac' }).map(({ machine }) => machine.mac),
    [macOf(1), macOf(2)],
  );
  t.end();
});

t.test('ten thousand machines are looked through', (t) => {
  const opened = database(t);
  const many = Array.from({ length: 10_000 }, (_none, index) => {
    const digits = index.toString(16).padStart(6, '0');
    return `52:54:00:${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4)}` as Mac;
  });
  opened.appendHistory({
    machines: many.map((mac, index) =>
      machineOf(mac, index, { serial: `SN${index}`, address: index as Ipv4 }),
    ),
    sessions: many.map((mac, index) => sessionOf(mac, index + 1, { role: `role-${index % 7}` })),
    events: [],
  });
  const wanted = many.filter((_mac, index) => `${index}`.startsWith('99') && index % 7 === 3);
  const began = performance.now();
  t.equal(opened.summarizeMachines({ search: 'sn99' }).matching, 111);
  const counted = performance.now();
  t.equal(opened.listMachines({ ...PAGE, search: 'sn99 role-3', sort: 'hostname' }).length, wanted.length);
  t.equal(opened.listMachines({ ...PAGE, sort: 'role', offset: 9_950 }).length, 50);
  t.comment(
    `counted in ${(counted - began).toFixed(0)} ms, listed twice in ${(performance.now() - counted).toFixed(0)} ms`,
  );
  t.end();
});
