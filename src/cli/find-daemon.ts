import { type AdminClient, createAdminClient } from '../admin/client.ts';
import { adminSocketCandidates } from '../config/load.ts';
import type { Config } from '../config/port.ts';
import { toTinderboxError } from '../errors.ts';

/** The running daemon of this configuration; undefined if none answers. */
export async function findDaemon(config: Config): Promise<AdminClient | undefined> {
  for (const socket of adminSocketCandidates(config)) {
    const client = createAdminClient(socket);
    try {
      await client.status();
      return client;
    } catch (thrown) {
      // One that answers, but not us (no right to the socket), is an answer and no reason to look elsewhere.
      const error = toTinderboxError(thrown);
      if (error.code !== 'unavailable') throw error;
    }
  }
  return undefined;
}
