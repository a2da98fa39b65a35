import { connect, type TLSSocket } from 'node:tls';
import type { RequestContext } from '@kubernetes/client-node';
import type { buildConnector } from 'undici';
import type { ClusterCredentials } from './port.ts';

export interface ApiResponse {
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface ApiClient {
  /** One page; `continue` is what the page before said. */
  listNodes(page: { readonly limit: number; readonly continue?: string }): Promise<ApiResponse>;
  watchNodes(from: { readonly version: string; readonly timeoutSeconds: number }): Promise<ApiResponse>;
  /** With a version: 409 if it was written since. */
  deleteNode(name: string, version?: string): Promise<ApiResponse>;
  /** Closes every connection, also those that are being made; what is under way is rejected. */
  close(): Promise<void>;
}

/** Times in milliseconds. */
export interface ApiClientOptions {
  /** `https://host:port`. */
  readonly apiServer: string;
  readonly credentials: Omit<ClusterCredentials, 'notAfter'>;
  readonly connectTime?: number;
  /** Until an answer begins. */
  readonly answerTime?: number;
  /** Without a byte of the body. API servers send a bookmark about once a minute. */
  readonly silentTime?: number;
}

type ConnectOptions = {
  readonly hostname: string;
  readonly port: string;
  readonly servername?: string | null;
};
type Connected = (error: Error | null, socket: TLSSocket | null) => void;

/**
 * A client of one API server, with one certificate. The package is loaded here, not with this file, and of it only what
 * asks for Nodes: all of it takes 90 MB of memory, this half of that, and without a cluster none.
 */
export async function openApiClient(options: ApiClientOptions): Promise<ApiClient> {
  const [{ CoreV1ApiRequestFactory }, { createConfiguration }, { ServerConfiguration }, { Agent }] =
    await Promise.all([
      import('@kubernetes/client-node/dist/gen/apis/CoreV1Api.js'),
      import('@kubernetes/client-node/dist/gen/configuration.js'),
      import('@kubernetes/client-node/dist/gen/servers.js'),
      import('undici'),
    ]);
  const { apiServer, credentials, connectTime = 10_000, answerTime = 30_000, silentTime = 120_000 } = options;
  const sockets = new Set<TLSSocket>();

  function connectSocket({ hostname, port, servername }: ConnectOptions, done: Connected): void {
    const host = hostname.replace(/^\[|\]$/g, '');
    const socket = connect({
      host,
      port: Number(port === '' ? 443 : port),
      ca: credentials.caPem,
      cert: credentials.certificatePem,
      key: credentials.keyPem,
      ...(typeof servername === 'string' && servername !== '' ? { servername } : {}),
      ALPNProtocols: ['http/1.1'],
    });
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // Half-open after a switch was replaced: noticed by the kernel, not only by silence.
    socket.setKeepAlive(true, 30_000);
    socket.setNoDelay(true);
    const timer = setTimeout(
      () => socket.destroy(new Error(`no connection within ${connectTime / 1000} s`)),
      connectTime,
    );
    let told = false;
    const tell: Connected = (error, connected) => {
      clearTimeout(timer);
      if (told) return;
      told = true;
      done(error, connected);
    };
    socket.once('secureConnect', () => tell(null, socket));
    socket.on('error', (error) => tell(error, null));
    socket.once('close', () => tell(new Error('the connection was closed'), null));
  }

  // The client's own way makes an agent for each request and closes none. undici is the library that
  // it uses, in the version that it uses: package.json names it, so that both get the same.
  const agent = new Agent({
    allowH2: false,
    connect: connectSocket as buildConnector.connector,
    headersTimeout: answerTime,
    bodyTimeout: silentTime,
  });
  const ending = new AbortController();
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(apiServer.replace(/\/+$/, ''), {}),
    authMethods: {
      default: {
        getName: () => 'client certificate',
        applySecurityAuthentication(context) {
          context.setDispatcher(agent);
          context.setSignal(ending.signal);
        },
      },
    },
  });
  const requests = new CoreV1ApiRequestFactory(configuration);

  async function send(request: Promise<RequestContext>): Promise<ApiResponse> {
    const response = await configuration.httpApi.send(await request).toPromise();
    const body = response.body.stream() as AsyncIterable<Uint8Array> | null;
    return { status: response.httpStatusCode, body: body ?? nothing() };
  }

  const none = undefined;
  return {
    listNodes: (page) => send(requests.listNode(none, none, page.continue, none, none, page.limit)),
    watchNodes: ({ version, timeoutSeconds }) =>
      send(
        requests.listNode(
          none,
          true,
          none,
          none,
          none,
          none,
          version,
          none,
          none,
          none,
          timeoutSeconds,
          true,
        ),
      ),
    deleteNode: (name, version) =>
      send(
        version === undefined
          ? requests.deleteNode(name)
          : requests.deleteNode(name, none, none, none, none, none, none, {
              preconditions: { resourceVersion: version },
            }),
      ),
    async close() {
      ending.abort(new Error('stopped'));
      for (const socket of sockets) socket.destroy();
      await agent.destroy();
    },
  };
}

async function* nothing(): AsyncIterable<Uint8Array> {}
