import type { ServerResponse } from 'node:http';
import { basename, dirname } from 'node:path';
import { type Answer, type BootRequest, originOf, type RouteDeps, refuse } from './answer.ts';
import { answerPulled } from './answer-pulled.ts';
import { findAsset } from './asset-file.ts';
import { validatorsOf } from './asset-headers.ts';
import { parseAssetPath } from './asset-path.ts';
import type { AssetSource, AssetSources } from './asset-source.ts';
import { decideAssetHead } from './decide-asset-head.ts';
import type { ConditionalHeaders } from './evaluate-conditions.ts';
import type { PulledAsset } from './port.ts';
import type { AssetSending } from './send-asset.ts';
import { type AssetOutcome, sendBody, sendHead } from './send-body.ts';
import { findSettledAsset } from './settle-asset.ts';
import { admitDownload } from './wait-turn.ts';

export interface AssetRequest {
  readonly target: string;
  readonly headers: ConditionalHeaders & {
    readonly range?: string | undefined;
    readonly via?: string | undefined;
  };
  /** Where the bytes go. */
  readonly response: ServerResponse;
  /** Whether the server dropped this client because it took nothing for too long. */
  readonly stalled: () => boolean;
  /** Whoever asks for it does without. */
  readonly harmless?: boolean;
  /** What is made where there is no file of this name. */
  readonly generate?: () => Promise<Answer | undefined> | undefined;
}

/** Where bodies come from, and how they go out. */
export interface AssetService extends AssetSending {
  readonly sources: AssetSources;
}

/** A file that is being replaced again and again is not worth more attempts. */
const ATTEMPTS = 3;

/**
 * `GET` and `HEAD /assets/…`. Answers with a text where there is no file to send; else sends it, records what came
 * of it when the last byte is gone (or the client is), and resolves to undefined.
 */
export async function answerAsset(
  deps: RouteDeps,
  { sources, ...sending }: AssetService,
  request: BootRequest,
  asset: AssetRequest,
): Promise<Answer | undefined> {
  // A shim puts a slash between its own folder, which ends with one, and what it asks for (seen with 16.1).
  const path = parseAssetPath(asset.target.replace(/^\/assets\/ipxe\/+/, '/assets/ipxe/'));
  if (path.kind === 'bad') {
    deps.journal.count('http.bad-asset-path');
    return refused(deps, request, 404, 'no such asset', `the path is refused: ${path.reason}`);
  }
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    let found: Awaited<ReturnType<typeof find>> = await find(deps, path.segments);
    if (found.kind === 'unsettled') return beingReplaced(deps, request, 'it is being written in place');
    if (found.kind === 'outside') deps.journal.count('http.bad-asset-path');
    const made = found.kind === 'missing' ? await asset.generate?.() : undefined;
    if (made !== undefined) return made;
    if (found.kind === 'missing' && asset.harmless === true) {
      return refused(
        deps,
        request,
        404,
        'no such asset',
        'no such file: loaders look for it and do without',
        'noted',
      );
    }
    const pulled =
      found.kind === 'missing' ? await answerPulled(deps, request, asset, path.segments, sending) : undefined;
    if (pulled?.kind === 'sent') {
      recordOutcome(deps, request, path.segments, pulled.result);
      return undefined;
    }
    if (pulled?.kind === 'later') return pulled.answer;
    if (pulled?.kind === 'refused') return notFetched(deps, request, pulled);
    if (pulled?.kind === 'file') found = pulled;
    if (found.kind !== 'file') {
      return refused(deps, request, 404, 'no such asset; see: tinderbox check', found.reason);
    }
    const started = deps.clock();
    const { file } = found;
    const described = { size: file.size, ...validatorsOf(file) };
    const head = decideAssetHead(request.method, asset.headers, described, path.segments.at(-1) ?? '');
    if (!head.hasBody) {
      recordOutcome(deps, request, path.segments, sendHead(asset.response, head, []));
      return undefined;
    }
    using place = admitDownload(deps, request, path.segments, head, file);
    if (place.later !== undefined) return place.later;
    let source: AssetSource | undefined;
    try {
      source = await sources.open(file, head);
    } catch (error) {
      deps.complain('asset', 'error', { asked: request.asked, err: error }, 'an asset cannot be read');
      const reason = `it cannot be read: ${(error as Error).message}`;
      return refused(
        deps,
        request,
        500,
        'the asset cannot be read; see the log of tinderbox',
        reason,
        'failed',
      );
    }
    if (source === undefined) continue;
    try {
      const result = await sendBody(
        {
          response: asset.response,
          stalled: asset.stalled,
          head,
          source,
          size: file.size,
          changed: 'the file was changed in place while it was being sent: replace files by renaming',
          reasons: [`from ${source.origin}`, ...(pulled === undefined ? [] : [pulled.reason])],
          elapsed: () => deps.clock() - started,
        },
        sending,
      );
      if (result.whole) place.isWhole();
      if (result.outcome === 'failed') deps.journal.count('http.aborted-asset');
      recordOutcome(deps, request, path.segments, result);
    } finally {
      await source.close();
    }
    return undefined;
  }
  return beingReplaced(deps, request, `the file changed during each of ${ATTEMPTS} attempts to read it`);
}

/**
 * UEFI HTTP boot fetches its loader from /assets/ipxe: the operator's file if there is one, else the distribution's,
 * exactly as TFTP has it.
 */
async function find(deps: RouteDeps, segments: readonly string[]) {
  const found = await findSettledAsset(deps.assets, segments, deps.clock);
  const [folder, name, ...rest] = segments;
  if (found.kind !== 'missing' || folder !== 'ipxe' || name === undefined || rest.length > 0) return found;
  const loader = await deps.findLoader?.(name);
  return loader === undefined ? found : findAsset(dirname(loader), [basename(loader)]);
}

/** A file that is not here, and cannot be fetched either. */
function notFetched(
  deps: RouteDeps,
  request: BootRequest,
  { status, reason, retryAfter }: Extract<PulledAsset, { kind: 'refused' }>,
): Answer {
  const headers = retryAfter === undefined ? undefined : { 'retry-after': String(retryAfter) };
  const line =
    status === 404
      ? 'no such asset; see: tinderbox check'
      : 'the asset is not here and cannot be fetched now; see the log of tinderbox';
  return refused(deps, request, status, line, reason, status === 404 ? 'refused' : 'failed', headers);
}

/** iPXE asks again by itself after such an answer. */
function beingReplaced(deps: RouteDeps, request: BootRequest, reason: string): Answer {
  const line = 'the asset is being replaced; ask again';
  return refused(deps, request, 503, line, reason, 'failed', { 'retry-after': '2' });
}

function machineOf(deps: RouteDeps, request: BootRequest) {
  return request.remote === undefined ? undefined : deps.journal.macAt(request.remote);
}

function stageOf(deps: RouteDeps, request: BootRequest, segments: readonly string[]) {
  const mac = machineOf(deps, request);
  const session = mac === undefined ? undefined : deps.journal.sessionOf(mac);
  if (session === undefined) return undefined;
  const stage = deps.assetStage(session, `/assets/${segments.join('/')}`);
  // As of a transfer by TFTP: a machine that has its loader whole has firmware that did its part.
  return stage ?? (segments[0] === 'ipxe' ? 'firmware' : undefined);
}

function record(
  deps: RouteDeps,
  request: BootRequest,
  outcome: 'answered' | 'refused' | 'failed' | 'noted',
  answered: string,
  reasons: readonly string[],
  stage: 'firmware' | 'kernel' | 'initrd' | undefined,
  bytes?: number,
): void {
  const mac = machineOf(deps, request);
  deps.journal.record({
    ...originOf(deps, request),
    kind: 'http.asset',
    outcome,
    answered,
    reasons,
    ...(mac === undefined ? {} : { mac }),
    ...(stage === undefined ? {} : { stage }),
    ...(bytes === undefined ? {} : { bytes }),
  });
}

/** That it is whole proves a stage. */
function recordOutcome(
  deps: RouteDeps,
  request: BootRequest,
  segments: readonly string[],
  { outcome, answered, reasons, whole, bytes }: AssetOutcome,
): void {
  const stage = whole ? stageOf(deps, request, segments) : undefined;
  record(deps, request, outcome, answered, reasons, stage, bytes);
}

function refused(
  deps: RouteDeps,
  request: BootRequest,
  status: number,
  line: string,
  reason: string,
  outcome: 'refused' | 'failed' | 'noted' = 'refused',
  headers?: Readonly<Record<string, string>>,
): Answer {
  record(deps, request, outcome, String(status), [reason], undefined);
  return refuse(status, line, headers);
}
