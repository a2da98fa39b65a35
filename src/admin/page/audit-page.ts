import type { FastifyInstance } from 'fastify';
import type { AuditRecord } from '../audit-api.ts';
import type { AdminServerOptions } from '../port.ts';
import type { Pages } from './render-page.ts';

const PAGE = 100;
const MOST_OFFSET = 1_000_000;

const OUTCOMES: Readonly<Record<AuditRecord['outcome'], string>> = {
  done: 'good',
  refused: 'warn',
  failed: 'bad',
};

const VIAS: Readonly<Record<AuditRecord['actor']['via'], string>> = {
  socket: 'command line',
  token: 'API',
  page: 'page',
  daemon: 'by itself',
};

/** `/audit`: who changed what. */
export function addAuditPages(app: FastifyInstance, options: AdminServerOptions, pages: Pages): void {
  app.get('/audit', async (request, reply) => {
    const { offset = '0' } = request.query as { readonly offset?: unknown };
    const from =
      typeof offset === 'string' && /^\d{1,7}$/.test(offset) ? Math.min(Number(offset), MOST_OFFSET) : 0;
    // One more than is shown says whether there are older ones.
    const records = (await options.audit.list({ limit: PAGE + 1, offset: from })).records;
    return pages.send(
      reply,
      'audit',
      { title: 'Audit', section: 'audit' },
      {
        records: records.slice(0, PAGE).map(auditRow),
        older: records.length > PAGE ? `?offset=${from + PAGE}` : undefined,
        newer: from > 0 ? `?offset=${Math.max(0, from - PAGE)}` : undefined,
      },
    );
  });
}

function auditRow({ at, actor, action, target, outcome, detail }: AuditRecord): object {
  const isMachine = target !== undefined && /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(target);
  return {
    at,
    who: actor.name,
    // Who edited a file is not known: the daemon only saw that it changed.
    via: action === 'catalog.changed' ? 'noticed it' : VIAS[actor.via],
    address: actor.address,
    action: action.replaceAll(/[-.]/g, ' '),
    target,
    machine: isMachine ? target : undefined,
    outcome,
    tone: OUTCOMES[outcome],
    detail,
  };
}
