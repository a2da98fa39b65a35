import { Worker } from 'node:worker_threads';
import { createWindowMemory, lookThrough } from './input-window.ts';
import type { Finding, FuzzResult, Progress } from './run-fuzz.ts';
import type { FuzzTarget } from './target.ts';
import type { FromWorker, WorkerOrder } from './worker-messages.ts';

/** Milliseconds in which one input must come back, on the clock and of the processor: a busy host is no finding. */
const HANG = 60_000;
const HANG_PROCESSOR = 20_000;
const LOOK = 5_000;
/** MiB. */
const MEMORY = 1_024;

export interface WatchOptions extends Pick<WorkerOrder, 'target' | 'seed' | 'milliseconds' | 'runs'> {
  readonly about: Pick<FuzzTarget, 'aims' | 'maxLength'>;
  readonly onProgress: (progress: Progress) => void;
  readonly onFinding: (finding: Finding) => void;
  readonly signal?: AbortSignal;
}

export interface WatchedResult extends FuzzResult {
  readonly seconds: number;
}

/** Fuzzes a target in a thread of its own. One that hangs, or runs out of memory, is a finding as well, and the end. */
export async function watchWorker(options: WatchOptions): Promise<WatchedResult> {
  const { target, seed, milliseconds, runs, about, onProgress, onFinding } = options;
  const window = createWindowMemory(about.maxLength);
  const order: WorkerOrder = {
    target,
    aims: about.aims,
    seed,
    milliseconds,
    ...(runs === undefined ? {} : { runs }),
    window,
  };
  const worker = new Worker(new URL('fuzz-worker.ts', import.meta.url), {
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: MEMORY },
  });
  const started = performance.now();
  let last: Progress = { executions: 0, corpus: 0, covered: 0, known: 0, lastNew: 0, slowest: 0 };
  const findings: Finding[] = [];
  const found = (finding: Finding): void => {
    findings.push(finding);
    onFinding(finding);
  };

  return await new Promise((resolve, reject) => {
    let result: WatchedResult | undefined;
    const give = (): void => {
      const seconds = (performance.now() - started) / 1000;
      resolve(result ?? { ...last, findings, kept: [], seconds });
    };
    let seen = lookThrough(window);
    let changedAt = performance.now();
    let processorThen = process.cpuUsage();
    const watch = setInterval(() => {
      const now = lookThrough(window);
      if (now.count !== seen.count || now.input === undefined) {
        seen = now;
        changedAt = performance.now();
        processorThen = process.cpuUsage();
        return;
      }
      // Of all threads together; those that run share the processors evenly.
      const { user, system } = process.cpuUsage(processorThen);
      if (performance.now() - changedAt < HANG || (user + system) / 1000 < HANG_PROCESSOR) return;
      found({ signature: 'hang', details: `an input did not come back in ${HANG} ms`, input: now.input });
      void worker.terminate();
    }, LOOK);
    const stop = (): void => void worker.terminate();
    options.signal?.addEventListener('abort', stop, { once: true });
    worker.on('message', (message: FromWorker) => {
      switch (message.kind) {
        case 'progress':
          last = message.progress;
          onProgress(last);
          return;
        case 'finding':
          found(message.finding);
          return;
        case 'done':
          result = { ...message.result, seconds: message.seconds };
          return;
      }
    });
    worker.on('error', (error: NodeJS.ErrnoException) => {
      const { input } = lookThrough(window);
      if (input !== undefined && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
        found({ signature: 'memory', details: `an input, or those before it, took ${MEMORY} MiB`, input });
        return;
      }
      reject(error);
    });
    worker.on('exit', () => {
      clearInterval(watch);
      options.signal?.removeEventListener('abort', stop);
      give();
    });
  });
}
