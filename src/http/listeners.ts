import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import { createConnectionBounds } from './connection-bounds.ts';
import type { HttpLimits, HttpListeners, HttpPlace, HttpServer, HttpServerOptions } from './port.ts';
import { spellLength } from './spell-length.ts';

export const DEFAULT_LIMITS: HttpLimits = {
  connections: 1_024,
  // A rack behind one address (NAT, a test client) downloads with 64 at once.
  connectionsPerAddress: 128,
  toldConnections: 128,
  headerBytes: 16 * 1024,
  bodyBytes: 64 * 1024,
  headersTime: 10_000,
  requestTime: 30_000,
  keepAliveTime: 10_000,
  stallTime: 60_000,
  checkInterval: 2_000,
};

const DRAIN_INTERVAL = 50;

/** Called for each request with the interface of the listener that it came in on. */
export type RequestHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  via: string | undefined,
) => void;

export interface Listeners {
  readonly addresses: HttpServer['addresses'];
  /** All or none. */
  open(places: readonly HttpPlace[]): Promise<HttpListeners>;
  /** Whether this client was dropped because it took nothing for too long. */
  isStalled(socket: Socket): boolean;
  stop(options: { readonly graceMs: number }): Promise<void>;
}

/** Opens one listener an address, with every bound on slow and greedy clients. All or none. */
export async function openListeners(
  options: HttpServerOptions,
  limits: HttpLimits,
  handle: RequestHandler,
): Promise<Listeners> {
  const bounds = createConnectionBounds(limits, () =>
    options.journal.count('http.dropped-silent-connection'),
  );
  const stalled = new WeakSet<Socket>();
  const latest = new WeakMap<Socket, ServerResponse>();
  let stopping = false;

  const serverFor = (via: string | undefined): Server => {
    const server = createServer({
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersTime,
      requestTimeout: limits.requestTime,
      keepAliveTimeout: limits.keepAliveTime,
      connectionsCheckingInterval: limits.checkInterval,
      noDelay: true,
    });
    server.maxConnections = limits.connections + limits.toldConnections;
    server.on('drop', () => options.journal.count('http.dropped-connection'));
    server.on('connection', (socket) => bounds.admit(socket));
    // Idle means that the kernel took nothing: Node starts anew for each write that moves on.
    server.setTimeout(limits.stallTime, (socket: Socket) => {
      // It is we who make it wait: a rack's keys are made one after the other. It would ask again, behind all others, and
      // what was made for it by then is for nobody.
      const response = latest.get(socket);
      if (response?.headersSent === false && response.req.complete) {
        socket.setTimeout(limits.stallTime);
        return;
      }
      options.journal.count('http.stalled');
      stalled.add(socket);
      socket.destroy();
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      options.journal.count(`http.bad-request.${statusOfClientError(error)}`);
      answerClientError(error, socket, latest.get(socket));
    });
    server.on('request', (request, response) => {
      const { socket } = request;
      latest.set(socket, response);
      bounds.asks(socket);
      // With pipelining the next request may be there already.
      response.once('close', () => {
        if (latest.get(socket) === response) bounds.answered(socket);
      });
      // A write that loses the race against the client's going away is no news: 'close' has told.
      response.on('error', () => undefined);
      spellLength(response);
      if (!stopping && !bounds.isSurplus(socket)) return handle(request, response, via);
      if (!stopping) options.journal.count('http.too-many-connections');
      comeBackLater(response, stopping ? 'the server is stopping' : 'too many connections');
    });
    return server;
  };

  // Those that listen, and those that don't any more and have connections left.
  const servers = new Set<Server>();
  const retire = async (server: Server): Promise<void> => {
    await close(server);
    servers.delete(server);
  };
  const openAll = async (places: readonly HttpPlace[]) => {
    const opened: { readonly server: Server; readonly host: string; readonly via?: string }[] = [];
    try {
      for (const { host, via, fd } of places) {
        const server = serverFor(via);
        await listen(server, host, fd, options);
        // What fails from now on is one connection's: that must not end the program.
        server.on('error', () => options.journal.count('http.accept-failed'));
        servers.add(server);
        opened.push({ server, host, ...(via === undefined ? {} : { via }) });
      }
    } catch (error) {
      await Promise.all(opened.map(({ server }) => retire(server)));
      throw error;
    }
    return opened;
  };

  const first = await openAll(options.listen);
  return {
    addresses: first.map(({ server, host, via }) => ({
      host,
      port: (server.address() as AddressInfo).port,
      ...(via === undefined ? {} : { via }),
    })),
    async open(places) {
      const opened = await openAll(places);
      return {
        close() {
          for (const { server } of opened) void retire(server);
        },
      };
    },
    isStalled: (socket) => stalled.has(socket),
    async stop({ graceMs }) {
      stopping = true;
      const left = [...servers];
      const closed = Promise.all(left.map(retire));
      // A connection that turns idle after close() would be kept for its keep-alive time.
      const drain = setInterval(() => {
        for (const server of left) server.closeIdleConnections();
      }, DRAIN_INTERVAL);
      const deadline = setTimeout(() => {
        for (const server of left) server.closeAllConnections();
      }, graceMs);
      await closed;
      clearInterval(drain);
      clearTimeout(deadline);
    },
  };
}

/** iPXE asks again by itself after a 503 that has a Retry-After (seen with the 2019 ROM); without it, it gives up. */
function comeBackLater(response: ServerResponse, why: string): void {
  const text = `${why}; come back in a few seconds\n`;
  response.writeHead(503, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'retry-after': '5',
    connection: 'close',
  });
  response.end(text);
}

function statusOfClientError(error: NodeJS.ErrnoException): 400 | 408 | 431 {
  if (error.code === 'HPE_HEADER_OVERFLOW') return 431;
  return error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
}

const CLIENT_ERRORS = {
  400: ['Bad Request', 'this is no HTTP request'],
  408: ['Request Timeout', 'the request took too long to arrive'],
  431: ['Request Header Fields Too Large', 'the request has too many or too long headers'],
} as const;

/** What Node could not parse never becomes a request, so it is answered on the bare socket. */
function answerClientError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  latest: ServerResponse | undefined,
): void {
  const underWay = latest !== undefined && latest.headersSent && !latest.writableFinished;
  if (!socket.writable || underWay || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = statusOfClientError(error);
  const [name, line] = CLIENT_ERRORS[status];
  const head = [
    `HTTP/1.1 ${status} ${name}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${line.length + 1}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${line}\n`, () => socket.destroy());
}

async function listen(
  server: Server,
  host: string,
  fd: number | undefined,
  options: HttpServerOptions,
): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(fd === undefined ? { host, port: options.port } : { fd }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (thrown) {
    throw await explainListenError(thrown as NodeJS.ErrnoException, host, options);
  }
}

async function explainListenError(
  error: NodeJS.ErrnoException,
  host: string,
  options: HttpServerOptions,
): Promise<TinderboxError> {
  const place = `${host}:${options.port}`;
  switch (error.code) {
    case 'EADDRINUSE': {
      const holder = await options.whoHolds?.(options.port, host);
      return new TinderboxError(
        'in-use',
        `HTTP: ${place} is in use${holder === undefined ? '' : ` by ${holder}`}`,
        { cause: error, remedy: 'stop that program, or set http.port in tinderbox.yaml' },
      );
    }
    case 'EACCES':
      return new TinderboxError('refused', `HTTP: no right to listen on ${place}`, {
        cause: error,
        remedy:
          'run as root or with CAP_NET_BIND_SERVICE, or set http.port in tinderbox.yaml to 1024 or above',
      });
    case 'EADDRNOTAVAIL':
      return new TinderboxError('not-found', `HTTP: this host has no address ${host}`, {
        cause: error,
        remedy: 'see network.interface in tinderbox.yaml, and: ip address',
      });
    default:
      return toTinderboxError(error);
  }
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
