import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { createStormFetch } from '../../src/lab/storm-http.ts';

async function serve(t: { teardown(then: () => void): void }, handle: RequestListener): Promise<string> {
  const server = createServer(handle);
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const init = (more: object = {}) => ({
  method: 'GET' as const,
  headers: {},
  redirect: 'follow' as const,
  signal: new AbortController().signal,
  ...more,
});

t.test(
  'a request comes from its own address, on a connection of its own, and says what it has',
  async (t) => {
    const seen: object[] = [];
    const url = await serve(t, (request, response) => {
      seen.push({
        from: request.socket.remoteAddress,
        port: request.socket.remotePort,
        method: request.method,
      });
      request.on('data', (chunk: Buffer) => response.write(chunk)).on('end', () => response.end());
    });
    const fetch = createStormFetch(() => '127.0.0.9', 60_000);
    const answer = await fetch(url, init({ method: 'POST', body: 'stage=booted' }));
    t.match(answer, { ok: true, status: 200 });
    t.equal(await answer.text(), 'stage=booted');
    await (await fetch(url, init())).text();
    t.match(seen, [
      { from: '127.0.0.9', method: 'POST' },
      { from: '127.0.0.9', method: 'GET' },
    ]);
  },
);

t.test('redirects are followed or refused, and a loop ends', async (t) => {
  const url = await serve(t, (request, response) => {
    if (request.url === '/end') return void response.end('here');
    response.writeHead(302, { location: request.url === '/loop' ? '/loop' : '/end' }).end();
  });
  const fetch = createStormFetch(() => undefined, 60_000);
  t.equal(await (await fetch(`${url}/begin`, init())).text(), 'here');
  await t.rejects(fetch(`${url}/begin`, init({ redirect: 'error' })), /was sent on/);
  await t.rejects(fetch(`${url}/loop`, init()), /was sent on/);
});

t.test('headers are read, a body may be left, silence ends it', async (t) => {
  const url = await serve(t, (request, response) => {
    if (request.url === '/silent') return;
    response.writeHead(503, { 'retry-after': '7' });
    response.end('later');
  });
  const fetch = createStormFetch(() => undefined, 30);
  const answer = await fetch(url, init());
  t.match(answer, { ok: false, status: 503 });
  t.equal(answer.headers.get('retry-after'), '7');
  t.equal(answer.headers.get('x-none'), null);
  await answer.body?.cancel();
  await t.rejects(fetch(`${url}/silent`, init()), /nothing came for/);
});
