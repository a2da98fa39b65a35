import type { ServerResponse } from 'node:http';
import type { FileSender } from '../net/port.ts';
import type { AssetSource } from './asset-source.ts';
import { handOver } from './hand-over.ts';
import type { WriteTurns } from './take-turns.ts';

export interface SentAsset {
  /** Bytes of the file that the kernel took. */
  readonly bytes: number;
  /**
   * `changed`: the file was rewritten while it was being sent, and the connection was dropped. `failed`: so it was
   * because of something here, which `reason` says.
   */
  readonly kind: 'complete' | 'aborted' | 'changed' | 'failed';
  readonly reason?: string;
}

/** How bodies go out. */
export interface AssetSending {
  /** Absent: no thread can send, and the main thread does it all. */
  readonly sender: FileSender | undefined;
  readonly turns: WriteTurns;
}

/**
 * Sends `[start, end)` after the head that was already written to `response`: another thread what is large, this one the
 * rest. Never through a stream: one slice at a time goes to the socket and the next follows when the kernel has it, so
 * that the client's own pace is the only one. Never rejects.
 */
export async function sendAsset(
  response: ServerResponse,
  source: AssetSource,
  { start, end }: { readonly start: number; readonly end: number },
  { sender, turns }: AssetSending,
): Promise<SentAsset> {
  let at = start;
  const drop = (kind: SentAsset['kind'], reason?: string): SentAsset => {
    response.destroy();
    return { kind, bytes: at - start, ...(reason === undefined ? {} : { reason }) };
  };
  try {
    const handed = await handOver(response, source, { start, end }, sender);
    at += handed?.bytes ?? 0;
    if (handed !== undefined && handed.kind !== 'complete') return drop(handed.kind, handed.reason);
    while (at < end) {
      const slice = await source.read(at, end);
      if (slice === undefined) return drop('changed');
      await turns.take(slice.length);
      if (!(await write(response, slice))) return { kind: 'aborted', bytes: at - start };
      at += slice.length;
    }
    response.end();
    return { kind: 'complete', bytes: at - start };
  } catch (error) {
    return drop('failed', `it cannot be read: ${(error as Error).message}`);
  }
}

/** Resolves to whether the kernel took the bytes; false once the client is gone. */
function write(response: ServerResponse, slice: Buffer): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const gone = (): void => resolve(false);
    response.once('close', gone);
    response.write(slice, (error) => {
      response.off('close', gone);
      resolve(error === undefined || error === null);
    });
  });
}
