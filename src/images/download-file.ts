import { TinderboxError } from '../errors.ts';
import { diskFull, type SpaceBudget } from './disk-space.ts';
import { explainStatus, explainTransport, type TransportFailure } from './explain-transport.ts';
import type { HttpResponse, HttpSource } from './http-get.ts';
import { openPart, type PartFile, removePart } from './part-file.ts';
import { type Attempt, type RetryOptions, tryAgain } from './try-again.ts';

/** No image is larger; a body without an end stops here, or where the disk does. */
const MOST_BYTES = 64 * 1024 ** 3;
/** So much makes an attempt worth another one, whatever ended it. */
const PROGRESS = 1024 * 1024;
/** How often a body of unknown length asks for more of the disk. */
const UNKNOWN_STEP = 16 * 1024 * 1024;

export interface DownloadOptions extends RetryOptions {
  readonly http: HttpSource;
  readonly space: SpaceBudget;
  /** What it is called in messages. */
  readonly name: string;
  /** Bytes, where a list says so. */
  readonly size?: number;
  /** So far, and of how many if that is known. */
  readonly onBytes?: (bytes: number, total: number | undefined) => void;
  /** Of an answer that is taken, before its bytes. */
  readonly onHead?: (headers: HttpResponse['headers']) => void;
  /** false: nobody compares them, and they are ''. */
  readonly digests?: boolean;
}

export interface Downloaded {
  readonly size: number;
  readonly sha256: string;
  readonly sha512: string;
  /** Its first bytes are from an earlier request, of this run or of one before. */
  readonly resumed: boolean;
}

/**
 * Fetches a URL to a file, which is there only when as many bytes have come as were announced; until then it is
 * `<file>.part`, and the next call goes on with it. What it holds is for the caller to prove. Throws TinderboxError:
 * `not-found`, `unavailable` (too often, or no room on the disk: then the part stays), `refused` where the mirror says
 * other sizes than the list.
 */
export async function downloadFile(url: string, file: string, options: DownloadOptions): Promise<Downloaded> {
  await using part = await openPart(file, options);
  let resumed = false;
  const attempt = async (): Promise<Attempt<undefined>> => {
    const before = part.size();
    try {
      const response = await options.http.get(url, { headers: rangeOf(part, url), signal: options.signal });
      const failure = await receive(response, part, url, options).catch(async (lied: unknown) => {
        // A mirror that lied is not believed the second half either. One that is not let ask, or is sent elsewhere, may
        // go on tomorrow: gigabytes are not thrown away for a portal.
        if (lied instanceof TinderboxError && lied.code === 'refused') await removePart(file);
        throw lied;
      });
      if (failure === undefined) {
        resumed ||= before > 0 && response.status !== 200;
        return { kind: 'done', value: undefined };
      }
      return { kind: 'failed', failure, progressed: part.size() - before >= PROGRESS };
    } catch (thrown) {
      options.signal?.throwIfAborted();
      const code = (thrown as NodeJS.ErrnoException).code;
      if (code === 'ENOSPC' || code === 'EDQUOT') {
        throw diskFull(file, `${options.name} did not fit`, thrown);
      }
      const progressed = part.size() - before >= PROGRESS;
      return { kind: 'failed', failure: explainTransport(thrown, url), progressed };
    }
  };
  await tryAgain(attempt, options);
  return { ...(await part.finish()), resumed };
}

function again(message: string, after?: number): TransportFailure {
  const error = new TinderboxError('unavailable', message, {
    remedy: 'Try again later, or another mirror: --mirror URL.',
  });
  return { again: true, error, ...(after === undefined ? {} : { after }) };
}

function rangeOf(part: PartFile, url: string): Record<string, string> {
  const origin = part.origin();
  if (origin === undefined || origin.url !== url || part.size() === 0) return {};
  return { range: `bytes=${part.size()}-`, 'if-range': origin.validator };
}

/** Undefined: it is whole now. */
async function receive(
  response: HttpResponse,
  part: PartFile,
  url: string,
  options: DownloadOptions,
): Promise<TransportFailure | undefined> {
  const { status, headers, body } = response;
  const changed = again(`${url} changed while it was fetched`, 1);
  // A body that is thrown away ends with an error that nobody waits for.
  body.on('error', () => undefined);
  try {
    if (status === 416) {
      const whole = part.size() > 0 && headers['content-range'] === `bytes */${part.size()}`;
      if (whole && (options.size ?? part.size()) === part.size()) return undefined;
      await part.reset();
      return changed;
    }
    if (status !== 200 && status !== 206) {
      return explainStatus(status, url, headers);
    }
    const encoding = headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      throw lie(`${url} comes packed (${encoding}), which was not asked for`);
    }
    const from = status === 206 ? part.size() : 0;
    const total = totalOf(response, from);
    if (status === 206 && (total === undefined || total !== (part.origin()?.total ?? total))) {
      await part.reset();
      return changed;
    }
    if (total !== undefined && total > (options.size ?? MOST_BYTES)) {
      throw lie(`${url} is announced with ${total} bytes, and has at most ${options.size ?? MOST_BYTES}`);
    }
    if (total !== undefined && options.size !== undefined && total !== options.size) {
      throw lie(`${url} is announced with ${total} bytes, and the list says ${options.size}`);
    }
    options.onHead?.(headers);
    if (status === 200) await part.reset(originOf(headers, url, total));
    const whole = total ?? options.size;
    await write(body, part, whole, url, options);
    if (whole === undefined || part.size() === whole) return undefined;
    return again(`${url} ended after ${part.size()} of ${whole} bytes`);
  } finally {
    body.destroy();
  }
}

/** Of the whole file; of a part only if it is the one asked for. */
function totalOf({ status, headers }: HttpResponse, from: number): number | undefined {
  if (status === 206) {
    const [, start, , total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '') ?? [];
    return Number(start) === from && total !== undefined ? Number(total) : undefined;
  }
  const length = headers['content-length'];
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

/** A weak tag says nothing of bytes (RFC 9110, 13.1.5). */
function originOf(headers: HttpResponse['headers'], url: string, total: number | undefined) {
  const { etag } = headers;
  const validator =
    etag !== undefined && etag.startsWith('"')
      ? etag
      : etag === undefined
        ? headers['last-modified']
        : undefined;
  return validator === undefined ? undefined : { url, validator, ...(total === undefined ? {} : { total }) };
}

async function write(
  body: AsyncIterable<Buffer>,
  part: PartFile,
  total: number | undefined,
  url: string,
  { space, name, onBytes }: DownloadOptions,
): Promise<void> {
  let claim = await space.reserve(total === undefined ? UNKNOWN_STEP : total - part.size(), name);
  let step = 0;
  try {
    onBytes?.(part.size(), total);
    for await (const chunk of body) {
      if (part.size() + chunk.length > (total ?? MOST_BYTES)) {
        throw lie(`${url} sends more than the ${total ?? MOST_BYTES} bytes that it has`);
      }
      await part.append(chunk);
      claim.wrote(chunk.length);
      step += chunk.length;
      if (total === undefined && step >= UNKNOWN_STEP) {
        claim[Symbol.dispose]();
        claim = await space.reserve(UNKNOWN_STEP, name);
        step = 0;
      }
      onBytes?.(part.size(), total);
    }
  } finally {
    claim[Symbol.dispose]();
  }
}

function lie(message: string): TinderboxError {
  return new TinderboxError('refused', message, {
    remedy: 'Nothing of it was kept. Try another mirror: --mirror URL.',
  });
}
