import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import type { NetworkNamespace } from '../../src/lab/namespace.ts';

/** Until somebody has port 67 in a namespace. Throws what the server said if it ends instead. */
export async function untilServed(
  namespace: NetworkNamespace,
  server: ChildProcess,
  name: string,
): Promise<void> {
  let said = '';
  for (const stream of [server.stdout, server.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-4000);
    });
  }
  for (let attempt = 0; attempt < 100; attempt++) {
    if (server.exitCode !== null) throw new Error(`${name} ended: ${said}`);
    // Port 67 is 0043 in hexadecimal.
    if (/:0043 /.test(await namespace.run(['cat', '/proc/net/udp']))) return;
    await delay(100);
  }
  throw new Error(`${name} does not open port 67: ${said}`);
}
