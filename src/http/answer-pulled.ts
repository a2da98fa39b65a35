import type { Answer, BootRequest, RouteDeps } from './answer.ts';
import type { AssetRequest } from './answer-asset.ts';
import { type AssetFile, findAsset } from './asset-file.ts';
import { decideAssetHead } from './decide-asset-head.ts';
import type { PulledAsset } from './port.ts';
import type { AssetSending } from './send-asset.ts';
import { type AssetOutcome, sendBody, sendHead } from './send-body.ts';
import { admitDownload } from './wait-turn.ts';

export type AnsweredPulled =
  /** It is a file now, and is sent as any other. */
  | { readonly kind: 'file'; readonly file: AssetFile; readonly reason: string }
  | { readonly kind: 'sent'; readonly result: AssetOutcome }
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

/** As a file that is here, but with the other server's validators. */
async function sendPulled(
  deps: RouteDeps,
  pulled: Extract<PulledAsset, { kind: 'growing' | 'described' }>,
  request: BootRequest,
  { headers, response, stalled }: AssetRequest,
  segments: readonly string[],
  sending: AssetSending,
): Promise<AssetOutcome | { readonly later: Answer }> {
  const { clock } = deps;
  const { reason, size } = pulled;
  const started = clock();
  const head = decideAssetHead(request.method, headers, pulled, segments.at(-1) ?? '');
  if (pulled.kind === 'described' || !head.hasBody) return sendHead(response, head, [reason]);
  using place = admitDownload(deps, request, segments, head, pulled);
  if (place.later !== undefined) return { later: place.later };
  const source = await pulled.follow();
  try {
    const result = await sendBody(
      {
        response,
        stalled,
        head,
        source: { origin: 'disk', lent: undefined, ...source },
        size,
        changed: 'it stopped coming from the other server, or is another version there now',
        reasons: [reason],
        elapsed: () => clock() - started,
      },
      sending,
    );
    if (result.whole) place.isWhole();
    return result;
  } finally {
    await source.close();
  }
}
