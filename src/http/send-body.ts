import type { ServerResponse } from 'node:http';
import type { AssetSource } from './asset-source.ts';
import type { AssetHead } from './decide-asset-head.ts';
import { type AssetSending, sendAsset } from './send-asset.ts';

/** What came of an answer, for whoever records it. */
export interface AssetOutcome {
  readonly outcome: 'answered' | 'failed';
  readonly answered: string;
  readonly reasons: readonly string[];
  /** All of it, to its last byte. */
  readonly whole: boolean;
  readonly bytes?: number;
}

export interface BodyOrder {
  readonly response: ServerResponse;
  /** Whether the server dropped this client because it took nothing for too long. */
  readonly stalled: () => boolean;
  readonly head: AssetHead;
  readonly source: AssetSource;
  /** Bytes of the whole file. */
  readonly size: number;
  /** Why it could not be completed, where it turned out to be another version. */
  readonly changed: string;
  /** Where it comes from. */
  readonly reasons: readonly string[];
  /** Milliseconds, of a clock that began with the request. */
  readonly elapsed: () => number;
}

/** Sends a head, and the part of a file that it is of. */
export async function sendBody(order: BodyOrder, sending: AssetSending): Promise<AssetOutcome> {
  const { response, head, source, size, reasons } = order;
  const { status, headers, start, end } = head;
  response.writeHead(status, headers);
  const sent = await sendAsset(response, source, head, sending);
  const { bytes } = sent;
  if (sent.kind === 'complete') {
    const answered = `${status}, ${bytes} bytes in ${order.elapsed()} ms`;
    return { outcome: 'answered', answered, reasons, whole: end === size, bytes };
  }
  const why =
    sent.kind === 'changed'
      ? order.changed
      : sent.kind === 'failed'
        ? (sent.reason ?? 'it could not be sent')
        : order.stalled()
          ? 'the client took no byte for too long and was dropped'
          : 'the client closed the connection';
  const answered = `${status}, ${bytes} of ${end - start} bytes`;
  return { outcome: 'failed', answered, reasons: [why, ...reasons], whole: false, bytes };
}

/** A head alone. */
export function sendHead(
  response: ServerResponse,
  { status, headers }: AssetHead,
  reasons: readonly string[],
): AssetOutcome {
  response.writeHead(status, headers);
  response.end();
  return { outcome: 'answered', answered: `${status}, no body`, reasons, whole: false };
}
