import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createEventStreams } from '../../src/admin/event-stream.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import { boot, MAC, OTHER, startAdmin, T0 } from '../support/start-admin.ts';
import { until } from '../support/until.ts';

/** Reads a stream as it is written. */
async function follow(
  { socket }: { readonly socket: string },
  path = '/api/v1/events',
  lastEventId?: string,
) {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  const outgoing = request({ socketPath: socket, path, headers });
  outgoing.on('error', () => undefined).end();
  const [response] = await once(outgoing, 'response');
  const stream = { text: '', response, leave: () => void outgoing.destroy() };
  response.on('error', () => undefined).on('data', (chunk: Buffer) => void (stream.text += String(chunk)));
  await until(() => stream.text.includes(': following'));
  return stream;
}

const idsIn = (text: string): string[] => Array.from(text.matchAll(/^id: (\S+)$/gm), ([, id = '']) => id);

t.test(
  'whoever comes back gets what was missed in between, once, and of the machine asked for',
  async (t) => {
    const admin = await startAdmin(t);
    const first = await follow(admin);
    t.match(first.text, /^retry: 2000$/m);
    boot(admin.journal, MAC, T0);
    await until(() => first.text.includes('http.script'));
    const last = idsIn(first.text).at(-1) ?? '';
    first.leave();
    boot(admin.journal, MAC, T0 + 60_000);
    boot(admin.journal, OTHER, T0 + 60_000);
    const again = await follow(admin, '/api/v1/events', last);
    t.notMatch(again.text, 'event: missed');
    const seen = again.text.match(/"kind":"http.script"/g);
    t.equal(seen?.length, 2);
    const one = await follow(admin, `/api/v1/events?mac=${OTHER}`, last);
    t.match(one.text, OTHER);
    t.notMatch(one.text, MAC);
    const nothing = await follow(admin, '/api/v1/events', idsIn(again.text).at(-1));
    t.notMatch(nothing.text, /^data:/m);
  },
);

t.test('who was away for too long, or comes from another daemon, is told so', async (t) => {
  const listeners: ((event: BootEvent) => void)[] = [];
  const streams = createEventStreams((listener) => {
    listeners.push(listener);
    return () => undefined;
  });
  const server = createServer((incoming, response) =>
    streams.open(response, undefined, String(incoming.headers['last-event-id'])),
  );
  const dir = await mkdtemp(join(tmpdir(), 'tb-stream-'));
  const socket = join(dir, 's');
  server.listen(socket);
  await once(server, 'listening');
  t.teardown(async () => {
    server.closeAllConnections();
    server.close();
    await rm(dir, { recursive: true });
  });
  const first = await follow({ socket }, '/', 'none');
  const [start = ''] = idsIn(first.text);
  const event = {
    at: T0,
    kind: 'dhcp.other',
    outcome: 'ignored',
    asked: 'INFORM',
    answered: '',
    reasons: [],
  } as const;
  for (let count = 0; count < 512; count++) listeners[0]?.(event);
  const back = await follow({ socket }, '/', start);
  t.notMatch(back.text, 'event: missed');
  t.equal(back.text.match(/^data:/gm)?.length, 512);
  for (let count = 0; count < 5_000; count++) listeners[0]?.(event);
  const strange = [start, 'ffff-1', 'nonsense', `${start.split('-')[0]}-999999`];
  for (const id of strange) t.match((await follow({ socket }, '/', id)).text, /^event: missed$/m, id);
});

t.test('readers are bounded: one more is told when to try again', async (t) => {
  const admin = await startAdmin(t);
  for (let reader = 0; reader < 64; reader++) await follow(admin);
  const outgoing = request({ socketPath: admin.socket, path: '/api/v1/events' }).end();
  const [response] = await once(outgoing, 'response');
  response.resume();
  t.equal(response.statusCode, 503);
  t.equal(response.headers['retry-after'], '10');
});

t.test('a stream has the headers of every other answer', async (t) => {
  const { response } = await follow(await startAdmin(t));
  t.match(response.headers, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': /default-src 'none'/,
  });
});

t.test('a page is told of a console that prints on, without an event', async (t) => {
  let last = 1;
  const streams = createEventStreams(() => () => undefined);
  const server = createServer((_incoming, response) => streams.openChanges(response, MAC, () => last));
  const dir = await mkdtemp(join(tmpdir(), 'tb-stream-'));
  const socketPath = join(dir, 's');
  server.listen(socketPath);
  await once(server, 'listening');
  const outgoing = request({ socketPath, path: '/', agent: false }).end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  response.setEncoding('utf8').on('data', (chunk: string) => void (text += chunk));
  t.teardown(async () => {
    streams.closeAll();
    server.closeAllConnections();
    server.close();
    await rm(dir, { recursive: true });
  });
  const told = (): number => text.split('event: changed').length - 1;
  await until(() => told() === 1);
  last = 2;
  await until(() => told() === 2);
});
