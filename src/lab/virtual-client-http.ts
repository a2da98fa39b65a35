import { createHash } from 'node:crypto';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import { type ClientRun, failStep, WAITING, waitAsTold } from './virtual-client-run.ts';
import type { FetchedFile, HttpAnswer } from './virtual-client-types.ts';

export interface FetchOptions {
  readonly redirect: 'follow' | 'error';
  /** Firmware and iPXE want to know how much comes. */
  readonly needsLength: boolean;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** iPXE comes back after a 503 as it is told (seen); a system's programs after any fault; firmware never. */
  readonly by: 'firmware' | 'ipxe' | 'system';
}

/** Texts longer than this are no scripts and no configurations. */
const TEXT_LIMIT = 4 * 1024 * 1024;

const WHAT_TO_DO: Readonly<Record<number, string>> = {
  404: 'see tinderbox check: which assets and roles exist',
  410: 'the session was over: boot again',
  500: "the reason is in the daemon's log and in the machine's timeline (tinderbox machines MAC)",
};

const COMEBACKS = 3;
/** Between two tries of an operating system's programs: coreos-cloudinit doubles from 50 ms up to 5 s. */
const SYSTEM_PAUSE = 1_000;

/** The answer, once it is one of 2xx. */
async function request(
  run: ClientRun,
  url: string,
  agent: string,
  options: FetchOptions,
): Promise<HttpAnswer> {
  let comebacks = options.by === 'ipxe' ? (run.options.comebacks ?? COMEBACKS) : 0;
  let retries = options.by === 'system' ? (run.options.systemRetries ?? 0) : 0;
  for (;;) {
    let response: HttpAnswer;
    try {
      response = await run.deps.fetch(url, {
        method: options.method ?? 'GET',
        headers: { 'user-agent': agent, ...options.headers },
        redirect: options.redirect,
        signal: limitTime(run),
        ...(options.body === undefined ? {} : { body: options.body }),
      });
    } catch (thrown) {
      if (retries-- <= 0 || run.options.signal.aborted) throw unreachable(url, thrown);
      await run.deps.sleep(SYSTEM_PAUSE, run.options.signal);
      continue;
    }
    if (response.ok) return response;
    const wait = Number(response.headers.get('retry-after') ?? Number.NaN);
    const text = (await response.text()).trim().slice(0, 200);
    if (response.status === 503 && !Number.isNaN(wait) && comebacks-- > 0) {
      await waitAsTold(run, wait * 1000);
    } else if (asksAgain(response.status) && retries-- > 0) {
      await run.deps.sleep(SYSTEM_PAUSE, run.options.signal);
    } else {
      throw failStep(
        `${url} answered ${response.status}${text === '' ? '' : `: ${text}`}`,
        WHAT_TO_DO[response.status] ?? "see the machine's timeline: tinderbox machines MAC",
      );
    }
    if (run.options.signal.aborted) throw failStep(`${url} answered ${response.status} to the end`, WAITING);
  }
}

/** As the roles that ship do: 408 is said to a host that has too much to do to send its request. */
function asksAgain(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

function unreachable(url: string, thrown: unknown): TinderboxError {
  if (thrown instanceof TinderboxError) return thrown;
  const error = toTinderboxError(thrown);
  // undici's `fetch failed` keeps the reason in its cause.
  const cause =
    thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause.message : error.message;
  return failStep(
    `${url} did not answer: ${cause}`,
    'see that the daemon serves HTTP there, that this host has an address on that network, and no firewall in between',
    thrown,
  );
}

function limitTime(run: ClientRun): AbortSignal {
  const { signal, timing } = run.options;
  if (timing.httpTimeout === Number.POSITIVE_INFINITY) return signal;
  return AbortSignal.any([signal, AbortSignal.timeout(timing.httpTimeout)]);
}

/** Reads a body to its end without keeping it. Throws TinderboxError. */
export async function fetchCounted(
  run: ClientRun,
  url: string,
  agent: string,
  options: FetchOptions,
): Promise<FetchedFile> {
  const response = await request(run, url, agent, options);
  const announced = response.headers.get('content-length');
  if (announced === null && options.needsLength) {
    await response.body?.cancel();
    throw failStep(`${url} came without Content-Length`, 'firmware stops there: the server must send it');
  }
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (thrown) {
    throw unreachable(url, thrown);
  }
  if (announced !== null && Number(announced) !== bytes) {
    throw failStep(
      `${url} ended after ${bytes} of ${announced} bytes`,
      'see the log of the server and of proxies in between',
    );
  }
  return { url, bytes, sha256: hash.digest('hex') };
}

/** Throws TinderboxError; also on a text that is too long to be one. */
export async function fetchText(
  run: ClientRun,
  url: string,
  agent: string,
  options: FetchOptions,
): Promise<string> {
  const response = await request(run, url, agent, options);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      if (bytes > TEXT_LIMIT)
        throw failStep(`${url} sends more than ${TEXT_LIMIT} bytes`, 'this is no text: see what serves it');
      chunks.push(chunk);
    }
  } catch (thrown) {
    throw unreachable(url, thrown);
  }
  return Buffer.concat(chunks).toString('utf8');
}
