import type { Answer, BootRequest, RouteDeps } from './answer.ts';
import type { AssetRequest } from './answer-asset.ts';
import { type AssetFile, findAsset } from './asset-file.ts';
import { contentTypeOf } from './asset-headers.ts';
import { parseByteRange } from './byte-range.ts';
import { evaluateConditions, rangeApplies } from './evaluate-conditions.ts';
import type { PulledAsset } from './port.ts';
import { type AssetSending, sendAsset } from './send-asset.ts';
import { admitDownload } from './wait-turn.ts';

/** What came of an answer, for whoever records it. */
export interface PulledOutcome {
  readonly outcome: 'answered' | 'failed';
  readonly answered: string;
  readonly reasons: readonly string[];
  /** All of it, to its last byte. */
  readonly whole: boolean;
  readonly bytes?: number;
}

export type AnsweredPulled =
  /** It is a file now, and is sent as any other. */
  | { readonly kind: 'file'; readonly file: AssetFile; readonly reason: string }
  | { readonly kind: 'sent'; readonly result: PulledOutcome }
  /** It is not this client's turn. */
  | { readonly kind: 'later'; readonly answer: Answer }
  | Extract<PulledAsset, { kind: 'refused' }>;

/** For a file that is not here, where it may be fetched from elsewhere: sent while it comes, or found once it is whole. */
export async function answerPulled(
  deps: RouteDeps,
  request: BootRequest,
  asset: AssetRequest,
  segments: readonly string[],
  sending: AssetSending,
): Promise<AnsweredPulled | undefined> {
  const { via } = asset.headers;
  const pulled = await deps.pullThrough?.find({ segments, method: request.method, via });
  if (pulled === undefined || pulled.kind === 'refused') return pulled;
  if (pulled.kind !== 'held') {
    const result = await sendPulled(deps, pulled, request, asset, segments, sending);
    return 'later' in result ? { kind: 'later', answer: result.later } : { kind: 'sent', result };
  }
  const found = await findAsset(pulled.folder, [pulled.name]);
  if (found.kind === 'file') return { kind: 'file', file: found.file, reason: pulled.reason };
  return { kind: 'refused', status: 503, retryAfter: 2, reason: `it was removed just now: ${found.reason}` };
}

/** As the head of a file is decided, but with the other server's validators. */
async function sendPulled(
  deps: RouteDeps,
  pulled: Extract<PulledAsset, { kind: 'growing' | 'described' }>,
  request: BootRequest,
  { headers, response, stalled }: AssetRequest,
  segments: readonly string[],
  sending: AssetSending,
): Promise<PulledOutcome | { readonly later: Answer }> {
  const { clock } = deps;
  const { method } = request;
  const { size, etag, lastModified, reason } = pulled;
  const started = clock();
  const common = {
    etag,
    'last-modified': new Date(lastModified).toUTCString(),
    'accept-ranges': 'bytes',
  };
  const bodiless = (status: number, more: Readonly<Record<string, string | number>> = {}): PulledOutcome => {
    response.writeHead(status, { ...common, ...more });
    response.end();
    return { outcome: 'answered', answered: `${status}, no body`, reasons: [reason], whole: false };
  };
  const condition = evaluateConditions(headers, { etag, lastModified });
  if (condition === 304) return bodiless(304);
  if (condition === 412) return bodiless(412, { 'content-length': 0 });
  const applies = method === 'GET' && rangeApplies(headers['if-range'], { etag, lastModified });
  const range = parseByteRange(applies ? headers.range : undefined, size);
  if (range.kind === 'unsatisfiable') {
    return bodiless(416, { 'content-range': `bytes */${size}`, 'content-length': 0 });
  }
  const type = { 'content-type': contentTypeOf(segments.at(-1) ?? '') };
  if (pulled.kind === 'described' || method !== 'GET') {
    return bodiless(200, { ...type, 'content-length': size });
  }
  const { start, end } = range.kind === 'whole' ? { start: 0, end: size } : range;
  const part = range.kind === 'whole' ? {} : { 'content-range': `bytes ${start}-${end - 1}/${size}` };
  const status = range.kind === 'whole' ? 200 : 206;
  using place = admitDownload(deps, request, segments, { start, end }, { size });
  if (place.later !== undefined) return { later: place.later };
  const source = await pulled.follow();
  try {
    response.writeHead(status, { ...common, ...type, ...part, 'content-length': end - start });
    const sent = await sendAsset(
      response,
      { origin: 'disk', lent: undefined, ...source },
      { start, end },
      sending,
    );
    const took = `${sent.bytes} bytes in ${clock() - started} ms`;
    if (sent.kind === 'complete') {
      if (end === size) place.isWhole();
      return {
        outcome: 'answered',
        answered: `${status}, ${took}`,
        reasons: [reason],
        whole: end === size,
        bytes: sent.bytes,
      };
    }
    const why =
      sent.kind === 'changed'
        ? 'it stopped coming from the other server, or is another version there now'
        : sent.kind === 'failed'
          ? (sent.reason ?? 'it could not be sent')
          : stalled()
            ? 'the client took no byte for too long and was dropped'
            : 'the client closed the connection';
    return {
      outcome: 'failed',
      answered: `${status}, ${sent.bytes} of ${end - start} bytes`,
      reasons: [why, reason],
      whole: false,
      bytes: sent.bytes,
    };
  } finally {
    await source.close();
  }
}
