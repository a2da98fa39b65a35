import { rmSync } from 'node:fs';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type ErrorMessage, errorFromMessage } from './sqlite-errors.ts';

export interface CopyOrder {
  readonly file: string;
  /** Must not exist. */
  readonly to: string;
}

/**
 * A consistent copy of the database as it is now, 0600 and synced, while others write to it: in a thread and over a
 * connection of its own, so that it holds up no lease. Rejects with TinderboxError; then there is no copy.
 */
export async function copyDatabase(order: CopyOrder): Promise<void> {
  const entry = new URL(`./copy-worker${extname(import.meta.url)}`, import.meta.url);
  const thread = new Worker(entry, { workerData: order, name: 'backup', execArgv: [] });
  const { promise, resolve, reject } = Promise.withResolvers<ErrorMessage | undefined>();
  thread.once('message', resolve);
  thread.once('error', reject);
  thread.once('exit', (code) => reject(new Error(`the copying thread ended with code ${code}`)));
  try {
    const failure = await promise;
    if (failure !== undefined) throw errorFromMessage(failure);
  } catch (error) {
    for (const suffix of ['', '-journal']) rmSync(`${order.to}${suffix}`, { force: true });
    throw error;
  } finally {
    await thread.terminate();
  }
}
