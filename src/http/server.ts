import { type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { maskTarget } from '../boot/session-token.ts';
import { printable } from '../document/printable.ts';
import { toTinderboxError } from '../errors.ts';
import { formatIpv4, parseIpv4, UNSPECIFIED } from '../machine/ipv4.ts';
import { NOCLOUD_FILES } from '../render/config-documents.ts';
import { type Answer, type BootRequest, type RouteDeps, refuse } from './answer.ts';
import { type AssetService, answerAsset } from './answer-asset.ts';
import { memoryBuffer, memoryFile } from './asset-memory.ts';
import { createAssetSources } from './asset-source.ts';
import { answerBootScript } from './boot-script.ts';
import { createComplain } from './complain.ts';
import { answerGenerated, generatedByTarget } from './generated-file.ts';
import { DEFAULT_LIMITS, openListeners } from './listeners.ts';
import { answerMachineScript } from './machine-script.ts';
import { maskedJournal } from './mask-observation.ts';
import { answerMatchbox, MATCHBOX_ROUTES } from './matchbox-routes.ts';
import { createPlanMemory } from './plan-memory.ts';
import type { HttpServer, HttpServerOptions, ServerPlace } from './port.ts';
import { createReleaseMemory } from './release-memory.ts';
import { type AskedDocument, answerSessionConfig } from './session-config.ts';
import { answerSigningRequest, REQUEST_LIMIT } from './session-csr.ts';
import { answerSessionReport } from './session-report.ts';
import { createWriteTurns } from './take-turns.ts';
import { createKeyedTurns } from './take-turns-by-key.ts';

/** Characters of a request's target that logs and events keep. */
const ASKED_LIMIT = 300;

type Query = Readonly<Record<string, unknown>>;
type ConfigRoute = { Params: { session: string; name?: string } };
type SessionRoute = { Params: { session: string }; Querystring: Query };

/** Every format's, whatever the roles have: who asks for another one than its role's is told so. */
const CONFIG_ROUTES: readonly ({ readonly url: string } & AskedDocument)[] = [
  { url: '/boot/:session/cloud-config', format: 'cloud-config' },
  { url: '/boot/:session/ignition', format: 'ignition' },
  { url: '/boot/:session/raw', format: 'raw' },
  { url: '/boot/:session/raw/:name', format: 'raw' },
  { url: '/boot/:session/nocloud/user-data', format: 'nocloud' },
  ...NOCLOUD_FILES.map((file) => ({
    url: `/boot/:session/nocloud/${file}`,
    format: 'nocloud' as const,
    file,
  })),
];

/**
 * The provisioning plane's HTTP. Throws TinderboxError `in-use`, `refused` or `not-found` if an address cannot be
 * listened on; then none is. Routes are functions from a BootRequest to an Answer; Fastify is seen in this file only.
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { logger, journal, clock } = options;
  const deps: RouteDeps = {
    ...options,
    journal: maskedJournal(journal),
    complain: createComplain(logger, journal, clock),
  };
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { memoryFiles } = options;
  const service: AssetService = {
    sources: createAssetSources({
      cacheBytes: options.cacheBytes,
      openMemory: memoryFiles === undefined ? memoryBuffer : (bytes) => memoryFile(memoryFiles, bytes),
      clock,
    }),
    sender: options.fileSender,
    turns: createWriteTurns(),
  };
  const plans = createPlanMemory();
  const signings = createKeyedTurns();
  const releases = {
    turns: createKeyedTurns(),
    memory: createReleaseMemory({
      clock,
      crowdedOut({ label }) {
        journal.count('http.release.crowded-out');
        deps.complain('release', 'warn', {}, `too many configurations with keys at once: forgot ${label}`);
      },
    }),
  };
  const vias = new WeakMap<object, string>();

  // Its own request log would print session tokens.
  const app = fastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 200 },
    frameworkErrors: (_error, _request, reply) => {
      journal.count('http.bad-request.400');
      void send(reply, refuse(400, 'the request target is malformed'));
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));

  const requestOf = (request: FastifyRequest): BootRequest => {
    const { socket } = request.raw;
    return {
      method: request.method,
      asked: printable(`${request.method} ${maskTarget(request.raw.url ?? '')}`, ASKED_LIMIT),
      remote: ipv4Of(socket.remoteAddress),
      server: placeOf(options, socket.localAddress, socket.localPort),
      via: vias.get(request.raw),
      range: request.headers.range,
      ifRange: ifRangeOf(request.headers['if-range']),
    };
  };

  const fail = (thrown: unknown, request: FastifyRequest): Answer => {
    journal.count('http.error.500');
    const { asked } = requestOf(request);
    deps.complain('request', 'error', { asked, err: toTinderboxError(thrown) }, 'a request failed');
    return refuse(500, 'the request failed; the reason is in the log of tinderbox');
  };

  /** What is not there, and no error's text to a GRUB. */
  const answerByName = async (
    request: FastifyRequest,
    reply: FastifyReply,
    target = request.raw.url ?? '',
  ): Promise<FastifyReply> => {
    const file = generatedByTarget(target);
    const answer =
      file === undefined ? undefined : await answerGenerated(deps, plans, requestOf(request), file, 'http');
    if (answer !== undefined) return send(reply, answer);
    journal.count(file === undefined ? 'http.unknown-route' : 'http.optional-file');
    return send(reply, refuse(404, 'there is nothing here; machines start at /boot.ipxe'));
  };

  app.get<{ Querystring: Query }>('/boot.ipxe', (request, reply) =>
    send(reply, answerBootScript(deps, requestOf(request), request.query)),
  );
  app.get('/grub.cfg', (request, reply) => answerByName(request, reply));
  app.get<{ Querystring: Query }>('/ipxe', async (request, reply) =>
    send(reply, await answerMachineScript(deps, plans, requestOf(request), request.query)),
  );
  for (const { url, ...document } of CONFIG_ROUTES) {
    app.get<ConfigRoute>(url, async (request, reply) => {
      const { session, name } = request.params;
      const asked = name === undefined ? document : { ...document, file: name };
      return send(
        reply,
        await answerSessionConfig(deps, plans, releases, requestOf(request), session, asked),
      );
    });
  }
  if (options.matchbox !== undefined) {
    for (const route of MATCHBOX_ROUTES) {
      app.get<{ Querystring: Query }>(`/${route}`, async (request, reply) => {
        const rawQuery = (request.raw.url ?? '').split('?').slice(1).join('?');
        return send(reply, await answerMatchbox(deps, requestOf(request), route, request.query, rawQuery));
      });
    }
    app.get('/grub', (request, reply) =>
      answerByName(request, reply, (request.raw.url ?? '').replace(/^\/grub/, '/grub.cfg')),
    );
    // What dnsmasq makes of `dhcp-boot=http://…/boot.ipxe`.
    app.get<{ Querystring: Query }>('/boot.ipxe.0', (request, reply) =>
      send(reply, answerBootScript(deps, requestOf(request), request.query)),
    );
  }
  app.post<SessionRoute>('/boot/:session/csr', { bodyLimit: REQUEST_LIMIT }, async (request, reply) => {
    const { name } = request.query;
    const pem = typeof request.body === 'string' ? request.body : '';
    const asked = { token: request.params.session, name, pem };
    return send(reply, await answerSigningRequest(deps, plans, signings, requestOf(request), asked));
  });
  app.post<SessionRoute>('/boot/:session/report', async (request, reply) => {
    const body = typeof request.body === 'string' ? request.body : '';
    const answer = await answerSessionReport(
      deps,
      requestOf(request),
      request.params.session,
      body,
      request.query,
    );
    return send(reply, answer);
  });
  app.route({
    method: ['GET', 'HEAD'],
    url: '/assets/*',
    handler: async (request, reply) => {
      reply.hijack();
      const response = reply.raw;
      const file = generatedByTarget(request.raw.url ?? '');
      // From here on Fastify answers no more, whatever is thrown.
      const answer = await answerAsset(deps, service, requestOf(request), {
        target: request.raw.url ?? '',
        headers: request.raw.headers,
        response,
        stalled: () => listeners.isStalled(request.raw.socket),
        harmless: file?.kind === 'optional',
        generate: () => {
          return file === undefined
            ? undefined
            : answerGenerated(deps, plans, requestOf(request), file, 'http');
        },
      }).catch((thrown: unknown) => fail(thrown, request));
      if (answer === undefined) return;
      if (response.headersSent) return void response.destroy();
      response.writeHead(answer.status, headersOf(answer));
      response.end(request.method === 'HEAD' ? undefined : answer.text);
    },
  });
  app.route({
    method: ['GET', 'HEAD'],
    url: '/healthz',
    handler: (_request, reply) => send(reply, { status: 200, text: 'ok\n' }),
  });
  app.setNotFoundHandler((request, reply) => answerByName(request, reply));
  app.setErrorHandler((thrown, request, reply) => {
    const status = statusOf(thrown);
    if (status < 500) {
      journal.count(`http.error.${status}`);
      const line =
        status === 413
          ? `the body is larger than ${request.routeOptions.bodyLimit ?? limits.bodyBytes} bytes`
          : 'the request is malformed';
      // What is left of the body is not read.
      void reply.header('connection', 'close');
      return send(reply, refuse(status, line));
    }
    return send(reply, fail(thrown, request));
  });
  await app.ready();

  const listeners = await openListeners(options, limits, (request, response, via) => {
    if (via !== undefined) vias.set(request, via);
    app.routing(request, response);
  });
  return {
    addresses: listeners.addresses,
    open: (places) => listeners.open(places),
    async generate(file, { server, ...request }) {
      const {
        url = addressUrl(
          formatIpv4(server),
          options.port === 0 ? listeners.addresses[0]?.port : options.port,
        ),
      } = options;
      const place = { address: server, url };
      const answer = await answerGenerated(
        deps,
        plans,
        { ...request, method: 'RRQ', server: place, range: undefined, ifRange: undefined },
        file,
        'tftp',
      );
      return answer === undefined ? undefined : String(answer.text);
    },
    assetStage(remote, path) {
      const mac = remote === undefined ? undefined : journal.macAt(remote);
      const session = mac === undefined ? undefined : journal.sessionOf(mac);
      return session === undefined ? undefined : options.assetStage(session, path);
    },
    async stop(how) {
      await listeners.stop(how);
      await app.close();
      releases.memory.dropAll();
    },
  };
}

function send(reply: FastifyReply, answer: Answer): FastifyReply {
  const { delivered } = answer;
  if (delivered !== undefined) reply.raw.once('close', () => delivered(reply.raw.writableFinished));
  return reply.code(answer.status).headers(headersOf(answer)).send(answer.text);
}

function headersOf(answer: Answer): Record<string, string | number> {
  return {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(answer.text),
    ...answer.headers,
  };
}

/** Fastify's own errors carry a status; whatever else was thrown is our fault. */
function statusOf(thrown: unknown): number {
  const status = (thrown as { readonly statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500;
}

function ifRangeOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : header?.[0];
}

function ipv4Of(address: string | undefined) {
  return parseIpv4((address ?? '').replace(/^::ffff:/i, ''));
}

function addressUrl(host: string, port: number | undefined): string {
  return `http://${host}${port === 80 ? '' : `:${port}`}`;
}

function placeOf(
  options: HttpServerOptions,
  host: string | undefined,
  port: number | undefined,
): ServerPlace {
  const address = ipv4Of(host);
  const own = addressUrl((host ?? '').replace(/^::ffff:/i, ''), port);
  return { address: address ?? UNSPECIFIED, url: options.url ?? own };
}
