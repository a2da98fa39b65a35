import { type AdminClient, createAdminClient } from '../admin/client.ts';
import { adminSocketCandidates } from '../config/load.ts';
import type { Config } from '../config/port.ts';
import { type TinderboxError, toTinderboxError } from '../errors.ts';

/**
 * The running daemon of this configuration; undefined if none answers. A socket that may not be opened counts only if
 * no other one answers: a member of the group may use the service's, but not look into its state folder.
 */
export async function findDaemon(config: Config): Promise<AdminClient | undefined> {
  let refusal: TinderboxError | undefined;
  for (const socket of adminSocketCandidates(config)) {
    const client = createAdminClient(socket);
    try {
      await client.status();
      return client;
    } catch (thrown) {
      const error = toTinderboxError(thrown);
      if (error.code !== 'unavailable') refusal ??= error;
    }
  }
  if (refusal !== undefined) throw refusal;
  return undefined;
}
