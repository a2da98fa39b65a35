import formbody from '@fastify/formbody';
import type { FastifyInstance } from 'fastify';
import type { DaemonStatus, StatusView } from '../api.ts';
import type { DoctorReport } from '../doctor-api.ts';
import type { AdminServerOptions } from '../port.ts';
import { healthFindings } from './health-findings.ts';
import { counterGroups, fillOf } from './health-model.ts';
import { problemRows } from './problem-rows.ts';
import type { Pages } from './render-page.ts';

/** `/health`: how the daemon is, and what it needs. */
export function addHealthPages(app: FastifyInstance, options: AdminServerOptions, pages: Pages): void {
  async function readModel(): Promise<object> {
    const now = options.clock();
    const status = await options.status();
    const view: StatusView = {
      ...status,
      uptime: Math.max(0, Math.round((now - status.startedAt) / 1000)),
      counters: Object.fromEntries(options.journal.counters()),
    };
    return healthModel(view, now);
  }

  app.get('/health', async (_request, reply) =>
    pages.send(reply, 'health', HEAD, { ...(await readModel()), report: undefined }),
  );
  void app.register(async (forms) => {
    // In here only: with forms elsewhere, pages of other origins could send what the API takes.
    await forms.register(formbody);
    // It opens ports and reads files: not what a link that is looked at before it is clicked may do.
    forms.post('/health/doctor', async (_request, reply) => {
      const [model, report] = [await readModel(), await options.doctor()];
      return pages.send(reply, 'health', HEAD, { ...model, report: reportModel(report) });
    });
  });
}

const HEAD = { title: 'Health', section: 'health' } as const;

const FINDING_TONES = { ok: 'good', warning: 'warn', problem: 'bad', skipped: 'idle' } as const;
const MOST_FINDINGS = 500;

/** What is wrong first; what was found well at the end. */
function reportModel({ ok, at, findings }: DoctorReport): object {
  const order = ['problem', 'warning', 'skipped', 'ok'];
  return {
    ok,
    at,
    findings: findings
      .toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
      .slice(0, MOST_FINDINGS)
      .map(({ check, state, text, remedy }) => ({ check, state, text, remedy, tone: FINDING_TONES[state] })),
  };
}

const MODES: Readonly<Record<DaemonStatus['mode'], string>> = {
  proxy: 'proxy: another server gives addresses',
  server: 'server: Tinderbox gives addresses',
  off: 'off: only TFTP and HTTP are served',
};

const STATES = {
  serving: { word: 'serving', tone: 'good' },
  partly: { word: 'partly serving', tone: 'warn' },
  waiting: { word: 'waiting', tone: 'bad' },
} as const;

const MOST_SERVERS = 50;

function healthModel(status: StatusView, now: number): object {
  const { history, leases, certificates = [] } = status;
  const used = leases.bound + leases.declined;
  return {
    findings: healthFindings(status, now),
    version: status.version,
    startedAt: status.startedAt,
    mode: MODES[status.mode],
    interfaces: status.interfaces.map(({ name, addresses, state, reason, since }) => ({
      name,
      addresses: addresses.join(', '),
      reason,
      // Zero: since the start.
      since: since === 0 ? status.startedAt : since,
      ...STATES[state],
    })),
    servers: status.otherDhcpServers.slice(0, MOST_SERVERS).map((server) => ({
      interface: server.interface,
      address: server.address,
      mac: server.mac,
      offered: server.offered,
      router: server.router,
      firstSeen: server.firstSeen,
      lastSeen: server.lastSeen,
    })),
    catalog: { file: status.catalog.file, generation: status.catalog.generation },
    catalogProblems: problemRows(status.catalog.problems),
    leases: { bound: leases.bound, offered: leases.offered, declined: leases.declined, pool: leases.pool },
    pool: leases.pool === undefined ? undefined : fillOf(used, leases.pool),
    bootFiles: status.bootFiles.map(({ architecture, file }) => ({ architecture, file: file ?? undefined })),
    history: {
      bytes: history.bytes,
      used: history.used,
      maxSize: history.maxSize,
      keepDays: Math.round(history.keep / 86_400),
      events: history.events,
      sessions: history.sessions,
      machines: history.machines,
      oldestEvent: history.oldestEvent,
      ...fillOf(history.used, history.maxSize),
    },
    certificates: certificates.map(({ name, notAfter }) => ({
      name,
      notAfter,
      days: Math.floor((notAfter - now) / 86_400_000),
      expired: notAfter < now,
    })),
    counters: counterGroups(status.counters),
  };
}
