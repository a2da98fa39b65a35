import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type AdminClient, createAdminClient } from '../admin/client.ts';
import { adminSocketCandidates, SYSTEM_CONFIG_FILE } from '../config/load.ts';
import type { Config } from '../config/port.ts';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import type { CliContext } from './context.ts';

/**
 * The running daemon, if it serves these profiles: the service's socket is looked for too (adminSocketCandidates), and
 * an edit of a folder of one's own must not end up in the service's. Throws `refused` where it may not be asked.
 */
export async function findEditor(config: Config): Promise<AdminClient | undefined> {
  let refusal: TinderboxError | undefined;
  for (const socket of adminSocketCandidates(config)) {
    const client = createAdminClient(socket);
    try {
      const { catalog } = await client.status();
      if (await isSameFolder(dirname(catalog.file), config.paths.profiles)) return client;
    } catch (thrown) {
      const error = toTinderboxError(thrown);
      const isMeant = socket === config.admin.socket || config.file === SYSTEM_CONFIG_FILE;
      if (error.code !== 'unavailable' && isMeant) refusal ??= error;
    }
  }
  if (refusal === undefined) return undefined;
  throw new TinderboxError(
    refusal.code,
    `${refusal.message}: it makes the changes while it runs`,
    refusal.remedy === undefined ? { cause: refusal } : { cause: refusal, remedy: refusal.remedy },
  );
}

/**
 * Has the daemon make a change, so that its audit trail names who asked; `byOneself` makes it where none runs, and where
 * the daemon may not write the files but whoever asks may: profiles that are a person's own, or a link of root's.
 */
export async function editThroughDaemon<Result>(
  config: Config,
  context: Pick<CliContext, 'err'>,
  ask: (daemon: AdminClient) => Promise<Result>,
  byOneself: () => Promise<Result>,
): Promise<Result> {
  const daemon = await findEditor(config);
  if (daemon === undefined) return byOneself();
  try {
    return await ask(daemon);
  } catch (thrown) {
    const error = toTinderboxError(thrown);
    if (error.code !== 'not-writable') throw error;
    const result = await byOneself();
    context.err(`tinderbox itself could not write it, so that it was edited beside it: ${error.message}\n`);
    return result;
  }
}

async function isSameFolder(one: string, other: string): Promise<boolean> {
  if (one === other) return true;
  const [a, b] = await Promise.all([one, other].map((path) => realpath(path).catch(() => path)));
  return a === b;
}
