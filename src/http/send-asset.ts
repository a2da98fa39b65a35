import type { ServerResponse } from 'node:http';
import type { AssetSource } from './asset-source.ts';

export interface SentAsset {
  /** Bytes of the file that the kernel took. */
  readonly bytes: number;
  /** `changed`: the file was rewritten while it was being sent, and the connection was dropped. */
  readonly kind: 'complete' | 'aborted' | 'changed';
}

/**
 * Sends `[start, end)` after the head that was already written to `response`. Never through a stream: one slice at a
 * time goes to the socket and the next follows when the kernel has it, so that a download of a shared buffer
 * allocates nothing and the client's own pace is the only one. Never rejects.
 */
export async function sendAsset(
  response: ServerResponse,
  source: AssetSource,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<SentAsset> {
  let at = start;
  try {
    while (at < end) {
      const slice = await source.read(at, end);
      if (slice === undefined) {
        response.destroy();
        return { kind: 'changed', bytes: at - start };
      }
      if (!(await write(response, slice))) return { kind: 'aborted', bytes: at - start };
      at += slice.length;
    }
    response.end();
    return { kind: 'complete', bytes: at - start };
  } catch {
    response.destroy();
    return { kind: 'aborted', bytes: at - start };
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
