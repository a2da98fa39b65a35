import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FileSender } from '../net/port.ts';
import type { AssetSource } from './asset-source.ts';

/** What came of a body, or of its beginning, that another thread sent. */
export interface HandedOver {
  readonly bytes: number;
  readonly kind: 'complete' | 'aborted' | 'changed' | 'failed';
  readonly reason?: string;
}

/** For less the main thread has written it before another one would have heard of it. */
const LEAST_BYTES = 512 * 1024;

/**
 * Has another thread write `[start, end)` to the response's connection, after the head that is sent by now. The
 * connection stays Node's: it still hears that the client goes, bounds it, and goes on with it afterwards. Undefined
 * where nothing was handed over: the body is too small, or something else has to be sent before.
 */
export async function handOver(
  response: ServerResponse,
  source: AssetSource,
  { start, end }: { readonly start: number; readonly end: number },
  sender: FileSender | undefined,
): Promise<HandedOver | undefined> {
  const { lent } = source;
  if (sender === undefined || lent === undefined || end - start < LEAST_BYTES) return undefined;
  const socket = await connectionOf(response);
  if (socket === undefined) return undefined;
  response.flushHeaders();
  const descriptor = descriptorOf(socket);
  // The rest of the head would come in the midst of the body.
  if (descriptor === undefined || socket.writableLength > 0) return undefined;

  const { fill } = lent;
  const stallTime = socket.timeout ?? 0;
  const transfer = sender.send({
    socket: descriptor,
    file: lent.descriptor,
    way: lent.way,
    start,
    end: end - lent.keptBack,
    allowed: fill?.filled() ?? end,
    aliveEvery: stallTime === 0 ? 1000 : Math.min(1000, Math.ceil(stallTime / 4)),
    // Node sees nothing of what the other thread writes: without this the client would count as one that takes nothing.
    alive: () => void socket.setTimeout(stallTime),
  });
  if (transfer === undefined) return undefined;
  const gone = (): void => transfer.cancel();
  response.once('close', gone);
  const follow = (): void => {
    if (fill === undefined) return;
    if (fill.failure() === undefined) transfer.allow(fill.filled());
    else transfer.cancel();
  };
  const stopFollowing = fill?.onMore(follow);
  follow();
  const sent = await transfer.ended;
  stopFollowing?.();
  response.off('close', gone);
  switch (sent.kind) {
    case 'complete':
      return { bytes: sent.bytes, kind: 'complete' };
    case 'short':
      return { bytes: sent.bytes, kind: 'changed' };
    case 'failed':
      return { bytes: sent.bytes, kind: 'failed', reason: sent.reason ?? 'it could not be sent' };
    case 'gone': {
      const failure = fill?.failure();
      if (failure === undefined) return { bytes: sent.bytes, kind: 'aborted' };
      if (failure.kind === 'changed') return { bytes: sent.bytes, kind: 'changed' };
      return { bytes: sent.bytes, kind: 'failed', reason: `it cannot be read: ${failure.error.message}` };
    }
  }
}

/**
 * A response whose turn has not come has no connection yet. That is no rarity: a client that asks for the next file as
 * soon as it has this one is sooner than the news that its last byte was sent. Undefined if it is gone.
 */
async function connectionOf(response: ServerResponse): Promise<Socket | undefined> {
  if (response.socket === null && !response.destroyed) {
    const connection = response.req.socket;
    await new Promise<void>((resolve) => {
      const over = (): void => {
        response.off('socket', over);
        response.off('close', over);
        connection.off('close', over);
        resolve();
      };
      response.once('socket', over);
      response.once('close', over);
      // Not every Node tells a response that waits of it.
      connection.once('close', over);
    });
  }
  return response.destroyed ? undefined : (response.socket ?? undefined);
}

/** Undefined if the socket is closed. */
function descriptorOf(socket: Socket): number | undefined {
  // oxlint-disable-next-line no-underscore-dangle -- Node's own name
  const handle = (socket as { readonly _handle?: { readonly fd?: number } | null })._handle;
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}
