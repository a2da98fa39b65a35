import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { aboutTime, ordinal } from '../../boot/describe-queue.ts';
import { toTinderboxError } from '../../errors.ts';
import { csrfTokenOf } from '../access/guard.ts';
import { readMac } from '../parse-request.ts';
import type { AdminServerOptions } from '../port.ts';
import { problemOf } from '../problem.ts';
import type { QueuedView } from '../queue-api.ts';
import { type Refusal, refusalOf } from './machine-extras.ts';
import { plainText } from './plain-text.ts';
import type { Pages } from './render-page.ts';

/** Rows: who looks for one machine in more of them takes the command line. */
const MOST_ROWS = 200;

/** `/queue`: who loads, who waits for that, and a button that lets one be the next. */
export function addQueuePages(app: FastifyInstance, { queue }: AdminServerOptions, pages: Pages): void {
  const model = (request: FastifyRequest, refusal?: Refusal): object => {
    const { downloads, largerThan, counts, loading, waiting } = queue.list();
    return {
      on: downloads > 0,
      downloads,
      largerThan,
      counts,
      csrf: csrfTokenOf(request),
      refusal,
      loading: loading.slice(0, MOST_ROWS).map((each) => ({ ...who(each), from: each.from })),
      waiting: waiting.slice(0, MOST_ROWS).map((each) => ({
        ...who(each),
        place: ordinal(each.position),
        since: each.since,
        estimate: each.estimate === undefined ? undefined : aboutTime(each.estimate),
        // Nobody knows a client by its address alone well enough to prefer it; the first is the next as it is.
        canMove: each.mac !== undefined && each.position > 1,
      })),
      unseen: Math.max(0, counts.waiting - MOST_ROWS),
    };
  };
  const show = (request: FastifyRequest, reply: FastifyReply, refusal?: Refusal): FastifyReply =>
    pages.send(reply, 'queue', { title: 'Queue', section: 'queue' }, model(request, refusal));

  app.get('/queue', (request, reply) => show(request, reply));
  app.get('/queue/live', (request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('cache-control', 'no-store')
      .send(pages.renderPart('queue-live', model(request))),
  );
  void app.register(async (forms) => {
    // In here only: with forms elsewhere, pages of other origins could send what the API takes.
    await forms.register(formbody);
    forms.post('/queue/first', async (request, reply) => {
      const { mac } = (request.body ?? {}) as { readonly mac?: unknown };
      try {
        await queue.first(readMac(mac));
      } catch (thrown) {
        return show(request, reply.code(problemOf(toTinderboxError(thrown)).status), refusalOf(thrown));
      }
      return reply.redirect('/queue', 303);
    });
  });
}

function who({ mac, hostname, address }: QueuedView): object {
  return {
    mac,
    name: plainText(hostname ?? mac ?? address ?? 'unknown', 48),
    hasName: hostname !== undefined,
    address,
  };
}
