import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { AdminTls } from './port.ts';

export interface TcpServerOptions {
  readonly times: ServerOptions;
  readonly tls: AdminTls | undefined;
  readonly logger: Pick<Logger, 'error' | 'info'>;
}

/** How often it is asked whether there is another certificate. In ms. */
const RENEW_EVERY = 60_000;

/** With TLS it shows another certificate as soon as there is one, without an end to what is under way. */
export async function createTcpServer(
  { times, tls, logger }: TcpServerOptions,
  listener: RequestListener,
): Promise<Server | TlsServer> {
  if (tls === undefined) return createServer(times, listener);
  const shown = await tls.pair();
  const server = createTlsServer(
    {
      ...times,
      ...contextOf(shown),
      minVersion: 'TLSv1.2',
      handshakeTimeout: 10_000,
      ALPNProtocols: ['http/1.1'],
    },
    listener,
  );
  // Whoever speaks no TLS, or refuses the certificate, is no matter for the log.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  keepCertificate(server, tls, shown.certificate, logger);
  return server;
}

function contextOf({ certificate, key }: Awaited<ReturnType<AdminTls['pair']>>) {
  return { cert: certificate, key, minVersion: 'TLSv1.2' } as const;
}

function keepCertificate(
  server: TlsServer,
  tls: AdminTls,
  first: string,
  logger: TcpServerOptions['logger'],
): void {
  let shown = first;
  let complained = '';
  const look = async (): Promise<void> => {
    try {
      const pair = await tls.pair();
      if (pair.certificate !== shown) {
        server.setSecureContext(contextOf(pair));
        shown = pair.certificate;
        logger.info('admin: another certificate is shown from now on');
      }
      complained = '';
    } catch (error) {
      const { message } = toTinderboxError(error);
      if (message !== complained) logger.error({ err: error }, 'admin: the former certificate stays');
      complained = message;
    }
  };
  const timer = setInterval(() => void look(), RENEW_EVERY).unref();
  server.once('close', () => clearInterval(timer));
}

/** Throws what `listen` does, with what to change in tinderbox.yaml. */
export async function listenOnTcp(
  server: Server,
  listen: { readonly host: string; readonly port: number },
): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(listen, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (thrown) {
    const error = toTinderboxError(thrown);
    throw new TinderboxError(
      error.code,
      `admin: ${listen.host}:${listen.port} cannot be listened on: ${error.message}`,
      {
        cause: thrown,
        remedy: 'set admin.listen in tinderbox.yaml to a free loopback address, or leave it out',
      },
    );
  }
}

/** Node waits for ever for a connection that never asked, and watches its time no more once it closes. */
export async function closeServer(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return;
  const deadline = setTimeout(() => server.closeAllConnections(), graceMs);
  await new Promise((resolve) => server.close(resolve));
  clearTimeout(deadline);
}
