import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { DaemonStatus } from '../../src/admin/api.ts';
import type { AuditRecord } from '../../src/admin/audit-api.ts';
import { createAdminClient } from '../../src/admin/client.ts';
import type { RoleView } from '../../src/admin/explain-api.ts';
import type { AdminServerOptions } from '../../src/admin/port.ts';
import type { QueueView } from '../../src/admin/queue-api.ts';
import { startAdminServer } from '../../src/admin/server.ts';
import { openAdminToken } from '../../src/admin-token.ts';
import { TinderboxError } from '../../src/errors.ts';
import { createLogControl } from '../../src/log-control.ts';
import { createLoggers } from '../../src/logger.ts';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { copyToStream } from '../../src/make-backup.ts';
import { encodePcap } from '../../src/protocol/pcap/pcap-file.ts';
import { createJournal } from '../../src/store/journal.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

export const MAC = '52:54:00:12:34:56' as Mac;
export const OTHER = '52:54:00:00:00:02' as Mac;
export const T0 = 1_700_000_000_000;

export const STATUS: DaemonStatus = {
  version: '0.1.0',
  startedAt: T0 - 61_000,
  mode: 'server',
  interfaces: [{ name: 'br0', addresses: ['10.77.0.1'], state: 'serving', since: 0 }],
  catalog: {
    generation: 3,
    file: '/profiles/machines.yaml',
    problems: [{ severity: 'error', message: 'bad' }],
  },
  leases: { bound: 1, offered: 0, declined: 0 },
  database: { setAside: [] },
  otherDhcpServers: [],
  history: {
    bytes: 8192,
    used: 4096,
    events: 2,
    sessions: 1,
    machines: 1,
    maxSize: 500_000_000,
    keep: 7_776_000,
  },
  bootFiles: [{ architecture: 'uefi-arm64', file: null }],
};

export const ROLE: RoleView = {
  name: 'worker',
  description: 'x',
  folder: '/profiles/worker',
  boot: 'local',
  identity: 'none',
  givenBy: [{ what: 'the default', line: 1 }],
  machines: 1,
  problems: [],
};

export const QUEUE: QueueView = {
  downloads: 1,
  largerThan: 8_388_608,
  counts: { loading: 1, waiting: 2 },
  loading: [{ mac: MAC, hostname: 'node-1', address: '10.77.0.101', since: T0, from: T0, downloads: 1 }],
  waiting: [
    { position: 1, mac: OTHER, since: T0, estimate: 20_000 },
    { position: 2, address: '10.77.0.109', since: T0 },
  ],
};

/** The admin plane over a real store and journal, in a folder of its own. */
export async function startAdmin(t: Test, overrides: Partial<AdminServerOptions> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'tb-admin-'));
  const lines: string[] = [];
  const records: AuditRecord[] = [];
  const sink = { write: (line: string) => void lines.push(line) } as unknown as NodeJS.WritableStream;
  const loggers = createLoggers({ destination: sink });
  const store = await openStore({ file: join(dir, 'state.db'), durability: 'process' });
  const journal = createJournal({
    store,
    state: await store.load(),
    clock: () => T0,
    idleTime: 3_600_000,
    logger: loggers.store,
  });
  const socket = join(dir, 'admin.sock');
  const token = await openAdminToken(dir, loggers.admin);
  const options: AdminServerOptions = {
    socket,
    access: { token, names: ['boot.example.net'], userOf: async () => 'alice' },
    store,
    journal,
    status: () => STATUS,
    assign: async ({ once, revision: _revision, ...assignment }) => ({
      ...assignment,
      ...(once === true && assignment.role !== undefined ? { once: assignment.role } : {}),
      changed: true,
      file: '/profiles/machines.yaml',
    }),
    approve: async ({ mac, role = 'worker', hostname = 'node-1' }) => ({
      mac,
      role,
      hostname,
      changed: true,
      seen: true,
      file: '/profiles/machines.yaml',
    }),
    forget: async (mac) => ({ mac, entry: true, place: false, history: 'forgotten', nodes: [] }),
    explain: async (mac, architecture) => ({
      mac,
      assignment: { from: 'none', file: 'machines.yaml', reasons: [], revision: 'absent' },
      decision: 'refuse',
      message: `as ${architecture?.label ?? 'nothing'}`,
      reasons: [],
      dhcp: { mode: 'off', answers: [] },
      problems: [],
    }),
    assigned: async (machines) => new Map(machines.map(({ mac }) => [mac, { revision: 'absent' }])),
    makeSigningToken: async ({ mac, days }) => ({ url: `http://s/boot/${mac}`, expiresAt: T0 + days }),
    roles: {
      list: async () => ({ roles: [ROLE], problems: [] }),
      async show(name) {
        if (name !== ROLE.name) throw new TinderboxError('not-found', `there is no role ${name}`);
        return { ...ROLE, files: [{ name: 'role.yaml', text: 'boot: local' }], usedBy: [{ mac: MAC }] };
      },
      preview: async (mac, role = 'worker') => ({ role, hostname: mac, reasons: [], script: '#!ipxe' }),
    },
    console: (mac, after = 0) => ({ mac, lines: [], missed: after }),
    doctor: async () => ({ ok: true, at: T0, running: true, findings: [] }),
    metrics: async () => '# TYPE up gauge\n',
    capture: (mac) => (mac === MAC ? encodePcap([]) : undefined),
    queue: { list: () => QUEUE, first: async () => QUEUE, positionOf: () => undefined },
    powerKind: () => undefined,
    power: async (mac, action, how) => ({
      mac,
      kind: 'redfish',
      action,
      state: 'on',
      did: JSON.stringify(how ?? {}),
      notes: [],
    }),
    reload: async () => ({ generation: 4, problems: [] }),
    log: createLogControl(loggers, () => T0),
    copyDatabase: () => copyToStream(join(dir, 'state.db')),
    audit: {
      record: (record) => void records.push(record),
      list: async () => ({ records: records.toReversed() }),
    },
    logger: loggers.admin,
    clock: () => T0,
    ...overrides,
  };
  const server = await startAdminServer(options);
  t.teardown(async () => {
    await server.stop({ graceMs: 5_000 });
    await journal.close();
    await store.close();
    await rm(dir, { recursive: true });
  });
  return {
    dir,
    socket,
    server,
    token,
    records,
    /** Of the TCP listener, where there is one. */
    url: `http://127.0.0.1:${server.address?.port}`,
    store,
    journal,
    options,
    client: createAdminClient(socket),
    log: () => lines.join(''),
  };
}

/** One network boot as far as the script. */
export function boot(journal: ReturnType<typeof createJournal>, mac: Mac, at: number): void {
  const common = { mac, outcome: 'answered', answered: 'yes', reasons: ['because'], via: 'br0' } as const;
  journal.record({
    ...common,
    at,
    kind: 'dhcp.discover',
    asked: 'DISCOVER',
    stage: 'offered',
    client: 'rom',
  });
  journal.record({
    ...common,
    at: at + 1_000,
    kind: 'http.script',
    asked: 'GET /ipxe',
    stage: 'script',
    client: 'script',
    facts: { mac, serial: 'S1', address: 0x0a4d0065 as Ipv4 },
    assigned: { role: 'worker', hostname: `node-${mac.slice(-2)}`, address: 0x0a4d0065 as Ipv4 },
  });
}

/** A raw exchange over the socket, for what the client never sends. */
export async function ask(
  socketPath: string,
  method: string,
  path: string,
  body?: string,
  type = 'application/json',
) {
  const outgoing = request({
    socketPath,
    method,
    path,
    headers: body === undefined ? {} : { 'content-type': type },
  });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode as number, type: response.headers['content-type'] as string, text };
}
