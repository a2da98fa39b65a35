import type { Server } from 'node:http';
import { TinderboxError, toTinderboxError } from '../errors.ts';

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
