import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { DEFAULT_LIMITS, openListeners, type RequestHandler } from '../../src/http/listeners.ts';
import type { HttpServerOptions } from '../../src/http/port.ts';

const STALL = 40;

async function listen(t: { teardown(then: () => Promise<void>): void }, handle: RequestHandler) {
  const counted: string[] = [];
  const options = {
    listen: [{ host: '127.0.0.1' }],
    port: 0,
    journal: { count: (name: string) => void counted.push(name) },
  } as unknown as HttpServerOptions;
  const listeners = await openListeners(options, { ...DEFAULT_LIMITS, stallTime: STALL }, handle);
  t.teardown(() => listeners.stop({ graceMs: 0 }));
  const port = listeners.addresses[0]?.port ?? 0;
  return { port, counted };
}

t.test('who waits for an answer that is being made is not dropped, however long it takes', async (t) => {
  const { port, counted } = await listen(t, (_request, response) => {
    void delay(STALL * 8).then(() => response.end('a key'));
  });
  const text = await new Promise<string>((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, agent: false }, (response) => {
      response.setEncoding('utf8').on('data', resolve);
    });
    asked.on('error', reject);
    asked.end();
  });
  t.equal(text, 'a key');
  t.same(counted, []);
});

t.test('who takes nothing of its answer is', async (t) => {
  const { port, counted } = await listen(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('the beginning');
  });
  await new Promise<void>((resolve) => {
    request({ host: '127.0.0.1', port, agent: false }, (response) => {
      response
        .on('error', () => undefined)
        .once('close', resolve)
        .resume();
    }).end();
  });
  t.same(counted, ['http.stalled']);
});

t.test('who does not send all of its request is', async (t) => {
  const { port, counted } = await listen(t, () => undefined);
  const socket = connect(port, '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nthe beginning');
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => void socket.once('close', () => resolve()));
  t.same(counted, ['http.stalled']);
});
