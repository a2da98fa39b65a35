import type { FastifyInstance } from 'fastify';
import { TinderboxError } from '../../errors.ts';
import { readEventQuery, readMac } from '../parse-request.ts';
import type { AdminServerOptions } from '../port.ts';

type Route = { Params: { mac: string }; Querystring: Readonly<Record<string, unknown>> };

/** Sessions are looked for among so many of the newest: of older ones no packet is left. */
const SESSIONS = 100;

/** `GET /api/v1/machines/:mac/pcap`, of one session with `?session=17`. */
export function addCaptureRoutes(
  app: FastifyInstance,
  { capture, store, journal }: Pick<AdminServerOptions, 'capture' | 'store' | 'journal'>,
): void {
  app.get<Route>('/api/v1/machines/:mac/pcap', async ({ params, query }, reply) => {
    const mac = readMac(params.mac);
    const { sessionId } = readEventQuery(query);
    let window: { readonly from: number; readonly to?: number } | undefined;
    if (sessionId !== undefined) {
      await journal.flush();
      const sessions = (await store.listSessions(mac, { limit: SESSIONS, offset: 0 })).filter(
        ({ signingUntil }) => signingUntil === undefined,
      );
      const index = sessions.findIndex(({ id }) => id === sessionId);
      const session = sessions[index];
      if (session === undefined) throw noneKept(mac, sessionId);
      // The newest comes first.
      const next = sessions[index - 1];
      window = { from: session.openedAt, ...(next === undefined ? {} : { to: next.openedAt }) };
    }
    const file = capture(mac, window);
    if (file === undefined) throw noneKept(mac, sessionId);
    return reply
      .type('application/vnd.tcpdump.pcap')
      .header('content-disposition', `attachment; filename="${mac.replaceAll(':', '-')}.pcap"`)
      .header('cache-control', 'no-store')
      .send(Buffer.from(file.buffer, file.byteOffset, file.byteLength));
  });
}

function noneKept(mac: string, sessionId: number | undefined): TinderboxError {
  const whose = sessionId === undefined ? mac : `session ${sessionId} of ${mac}`;
  return new TinderboxError('not-found', `no packets of ${whose} are kept`, {
    remedy:
      'packets are in memory only, from the start of the daemon on, and the oldest go first: power the machine on again, and ask then',
  });
}
