import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';
import type { DaemonStatus } from '../../src/admin/api.ts';
import type { AuditRecord } from '../../src/admin/audit-api.ts';
import type { AdminServerOptions } from '../../src/admin/port.ts';
import { startAdminServer } from '../../src/admin/server.ts';
import { NO_PLACES } from '../../src/boot/admit-machine.ts';
import { assignInProfiles } from '../../src/catalog/assign-in-profiles.ts';
import { openCatalog } from '../../src/catalog/catalog-holder.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createAssigned } from '../../src/describe-assigned.ts';
import { describeRoles } from '../../src/describe-roles.ts';
import { type ExplainSources, explainMachine, previewMasked } from '../../src/explain-machine.ts';
import { createLogControl } from '../../src/log-control.ts';
import { createLoggers } from '../../src/logger.ts';
import { type Ipv4, parseIpv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { NO_USES } from '../../src/machine/once.ts';
import { copyToStream } from '../../src/make-backup.ts';
import type { NetworkInterface } from '../../src/net/port.ts';
import { networksOf } from '../../src/provisioning.ts';
import { checkRoleTemplates } from '../../src/render/check-templates.ts';
import { createJournal } from '../../src/store/journal.ts';
import type { Page } from '../../src/store/port.ts';
import { openStore } from '../../src/store/sqlite-store.ts';
import { queueCommands } from '../../src/wire-queue.ts';

const ETH1 = {
  name: 'eth1',
  addresses: [{ address: parseIpv4('10.77.0.1') as Ipv4, prefix: 24 }],
  mtu: 1500,
  up: true,
} satisfies NetworkInterface;

/** Behind a door that can be shut: browsers lose what they had open, and come in again when it opens. */
export interface Door {
  readonly origin: string;
  shut(): Promise<void>;
  open(): Promise<void>;
}

export interface PagesSite {
  readonly door: Door;
  readonly dir: string;
  readonly journal: ReturnType<typeof createJournal>;
  write(name: string, text: string): Promise<void>;
  readonly options: AdminServerOptions;
}

/** The admin plane with a real store, journal and catalog; `files` are of profiles/. */
export async function startPages(
  t: Test,
  files: Readonly<Record<string, string>>,
  overrides: Partial<AdminServerOptions> & Record<string, unknown> = {},
): Promise<PagesSite> {
  const folder = await mkdtemp(join(tmpdir(), 'tb-pages-'));
  const dir = join(folder, 'profiles');
  const write = async (name: string, text: string): Promise<void> => {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  };
  for (const [name, text] of Object.entries(files)) await write(name, text);
  await writeFile(
    join(folder, 'tinderbox.yaml'),
    'network: { interface: eth1 }\ndhcp: { mode: server, range: 10.77.0.100-10.77.0.199 }\n',
  );
  const { config } = await loadConfig(join(folder, 'tinderbox.yaml'), {});
  const loggers = createLoggers({ level: 'silent' });
  const catalog = await openCatalog({
    dir,
    logger: loggers.catalog,
    checkRole: checkRoleTemplates,
    checkInterval: 0,
  });
  const store = await openStore({ file: join(folder, 'state.db'), durability: 'process' });
  const clock = Date.now;
  const journal = createJournal({
    store,
    state: await store.load(),
    clock,
    idleTime: 3_600_000,
    logger: loggers.store,
    limits: { eventsPerSession: 20_000, eventsBeforeScript: 20_000 },
  });
  const sources = (): ExplainSources => ({
    config,
    catalog: catalog.current(),
    catalogProblems: catalog.problems(),
    store,
    holders: { get: (hostname) => journal.hostnameHolder(hostname) },
    places: NO_PLACES,
    uses: NO_USES,
    networks: networksOf(config, [ETH1]),
    isBootfilePresent: () => true,
    leases: undefined,
    loops: undefined,
    now: clock(),
  });
  const edit = async (change: Parameters<AdminServerOptions['approve']>[0]) => {
    const done = await assignInProfiles({ ...change, dir, checkRole: checkRoleTemplates });
    await catalog.reload();
    return done;
  };
  const records: AuditRecord[] = [];
  const listRecords = async ({ limit, offset }: Page) => ({
    records: records.toReversed().slice(offset, offset + limit),
  });
  const startedAt = clock() - 3 * 86_400_000;
  const socket = join(folder, 'admin.sock');
  const options = {
    socket,
    store,
    journal,
    status: async (): Promise<DaemonStatus> => ({
      version: '0.1.0',
      startedAt,
      mode: 'server',
      interfaces: [
        { name: 'eth1', addresses: ['10.77.0.1'], state: 'serving', since: startedAt },
        {
          name: 'eth2',
          addresses: [],
          state: 'waiting',
          since: clock() - 60_000,
          reason: 'it has no IPv4 address',
        },
      ],
      catalog: {
        generation: catalog.current().generation,
        file: catalog.current().file,
        problems: catalog.problems(),
      },
      leases: { bound: 42, offered: 1, declined: 0, pool: 100 },
      database: { setAside: [] },
      otherDhcpServers: [
        {
          interface: 'eth1',
          address: '10.77.0.254',
          mac: '02:00:00:00:00:fe',
          offered: '10.77.0.200',
          router: '10.77.0.254',
          firstSeen: startedAt,
          lastSeen: clock() - 30_000,
        },
      ],
      history: { ...(await store.measureHistory()), maxSize: 500_000_000, keep: 7_776_000 },
      certificates: [
        { name: 'kubernetes', notAfter: clock() + 3_650 * 86_400_000 },
        { name: 'etcd', notAfter: clock() + 12 * 86_400_000 },
      ],
      bootFiles: [
        { architecture: 'bios', file: '/usr/lib/ipxe/undionly.kpxe' },
        { architecture: 'uefi-x64', file: '/usr/lib/ipxe/ipxe.efi' },
        { architecture: 'uefi-riscv64', file: null },
      ],
    }),
    assign: async (request: Parameters<AdminServerOptions['assign']>[0]) => {
      const { changed } = await edit(request);
      return { mac: request.mac, role: request.role, changed, file: catalog.current().file };
    },
    approve: async (request: Parameters<AdminServerOptions['approve']>[0]) => {
      const { after, changed } = await edit(request);
      return {
        mac: request.mac,
        role: after ?? 'worker',
        hostname: request.hostname ?? 'node-1',
        changed,
        seen: true,
        file: catalog.current().file,
      };
    },
    forget: async (mac: Parameters<AdminServerOptions['forget']>[0]) => {
      const known = await journal.forget(mac);
      return { mac, entry: false, place: false, history: known ? 'forgotten' : 'none', nodes: [] };
    },
    explain: (mac: Parameters<AdminServerOptions['explain']>[0]) => explainMachine(sources(), mac),
    assigned: createAssigned(sources),
    makeSigningToken: async () => ({ url: '', expiresAt: 0 }),
    roles: describeRoles({
      dir,
      catalog,
      sessions: () => journal.sessions(),
      preview: (mac, role) => previewMasked(sources(), mac, role),
    }),
    console: (mac: Mac) => ({ mac, lines: [], missed: 0 }),
    doctor: async () => ({ ok: true, at: clock(), running: true, findings: [] }),
    power: async (mac: Mac, action: string) => ({ mac, action }),
    queue: queueCommands({ queue: undefined, journal, now: clock }),
    powerKind: () => undefined,
    capture: () => undefined,
    metrics: async () => '',
    audit: { record: (record: AuditRecord) => void records.push(record), list: listRecords },
    reload: async () => ({ generation: 1, problems: [] }),
    log: createLogControl(loggers, clock),
    copyDatabase: () => copyToStream(join(folder, 'state.db')),
    logger: loggers.admin,
    clock,
    ...overrides,
  } as AdminServerOptions;
  const server = await startAdminServer(options);
  const door = await openDoor(socket);
  t.teardown(async () => {
    await door.shut();
    await server.stop({ graceMs: 1_000 });
    await journal.close();
    await catalog.close();
    await store.close();
    await rm(folder, { recursive: true });
  });
  return { door, dir, journal, write, options };
}

/** A browser cannot ask a unix socket: a loopback port leads there. */
async function openDoor(socket: string): Promise<Door> {
  const held = new Set<Socket>();
  const listener = createServer((client) => {
    const inner = connect(socket);
    held.add(client);
    for (const [a, b] of [
      [client, inner],
      [inner, client],
    ] as const) {
      a.pipe(b);
      a.on('error', () => b.destroy());
      a.once('close', () => {
        b.destroy();
        held.delete(client);
      });
    }
  });
  const listen = (port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(port, '127.0.0.1', () => resolve());
    });
  await listen(0);
  const { port } = listener.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    open: () => listen(port),
    shut: () =>
      new Promise((resolve) => {
        listener.close(() => resolve());
        for (const each of held) each.destroy();
      }),
  };
}
