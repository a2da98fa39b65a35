import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NetworkNamespace } from './namespace.ts';

export interface DebianMirror extends AsyncDisposable {
  /** Paths that were asked for and could not be had. */
  readonly failures: readonly string[];
  readonly requests: () => number;
}

/** A namespace's way out: a port inside, a unix socket outside, which no namespace of the network parts. */
const RELAY = `const { createServer, connect } = require('node:net');
createServer({ allowHalfOpen: true }, (inside) => {
  const outside = connect({ path: process.argv[2], allowHalfOpen: true });
  for (const [from, to] of [[inside, outside], [outside, inside]]) {
    from.on('error', () => to.destroy());
    from.pipe(to);
  }
}).listen(Number(process.argv[1]), () => console.log('ready'));`;

/** Debian's archive (`site`, as find-mirror has it) for machines of a namespace, at `/debian` of this port. */
export async function startDebianMirror(options: {
  readonly namespace: NetworkNamespace;
  readonly port: number;
  readonly site: string;
}): Promise<DebianMirror> {
  const { namespace, port, site } = options;
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-mirror-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const failures: string[] = [];
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    answer(site, request, response).catch(() => {
      failures.push(`${request.url}`);
      response.destroy();
    });
  });
  const socket = join(folder, 'mirror.sock');
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  stack.defer(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  const relay = namespace.spawn([process.execPath, '-e', RELAY, String(port), socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => relay.stdout?.once('data', resolve));
  const started = stack.move();
  return { failures, requests: () => requests, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

/** Of a mirror that is slow or drops a connection the installer would make a question. */
const TRIES = 5;

async function answer(site: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = 'GET', url = '/' } = request;
  if (!url.startsWith('/debian/') || !['GET', 'HEAD'].includes(method)) {
    response.writeHead(404).end();
    return;
  }
  const { range } = request.headers;
  const found = await tryFetch(`${site}${url.slice('/debian'.length)}`, {
    method,
    headers: range === undefined ? {} : { range },
  });
  const headers = ['content-length', 'content-type', 'content-range', 'last-modified', 'etag'].flatMap(
    (name): [string, string][] => {
      const value = found.headers.get(name);
      return value === null ? [] : [[name, value]];
    },
  );
  response.writeHead(found.status, Object.fromEntries(headers));
  if (method === 'HEAD' || found.body === null) response.end();
  else await pipeline(Readable.fromWeb(found.body), response);
}

async function tryFetch(url: string, init: RequestInit): Promise<Response> {
  for (let tries = 1; ; tries++) {
    try {
      const found = await fetch(url, init);
      if (found.status < 500 || tries === TRIES) return found;
    } catch (error) {
      if (tries === TRIES) throw error;
    }
    await sleep(1_000 * tries);
  }
}
