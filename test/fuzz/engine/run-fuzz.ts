import type { Coverage, Observation } from './coverage.ts';
import { minimize } from './minimize.ts';
import { insertWord, mutateBytes } from './mutate-bytes.ts';
import { createRandom, type Random } from './random.ts';
import { signatureOf } from './signature.ts';
import type { FuzzTarget } from './target.ts';

export interface Finding {
  readonly signature: string;
  /** The stack, or the message where there is none. */
  readonly details: string;
  /** As small as it would get. */
  readonly input: Uint8Array;
}

export interface Progress {
  readonly executions: number;
  readonly corpus: number;
  readonly covered: number;
  readonly known: number;
  /** The execution that found the newest block. */
  readonly lastNew: number;
  /** Milliseconds of processor time of the slowest input. */
  readonly slowest: number;
}

export interface FuzzOptions {
  readonly seed: number;
  readonly corpus: readonly Uint8Array[];
  readonly coverage: Coverage;
  /** Asked between batches. */
  readonly isOver: (executions: number) => boolean;
  /** Told of each input before it runs: it may never return. */
  readonly onInput?: (input: Uint8Array) => void;
  readonly onProgress?: (progress: Progress) => void;
  readonly onFinding?: (finding: Finding) => void;
  /** Milliseconds of processor time that one input may take; it counts only if it takes it three times. */
  readonly slow?: number;
  /** Milliseconds of processor time of this thread, so far. */
  readonly processorTime?: () => number;
}

export interface FuzzResult extends Progress {
  readonly findings: readonly Finding[];
  /** Smaller ones first; each runs something that those before it do not. */
  readonly kept: readonly Uint8Array[];
}

const LARGEST_BATCH = 512;
const MOST_FINDINGS = 20;
/** Milliseconds: far above what any input of a few KiB may take, on the slowest host. */
const SLOW = 2_000;

/**
 * Coverage-guided search: inputs of the corpus are changed, and those that run something new join it. Inputs run in
 * batches, since a look at V8's counters takes as long as hundreds of them; of a batch with news the halves run again,
 * down to the input that made them. The same seed and corpus choose the same inputs.
 */
export async function runFuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzResult> {
  const { coverage, onInput, isOver, slow = SLOW, processorTime = threadTime } = options;
  const random = createRandom(options.seed);
  const corpus: Uint8Array[] = [];
  const findings = new Map<string, Finding>();
  const known = new Set<string>();
  let executions = 0;
  let lastNew = 0;
  let slowest = 0;
  let batchSize = 1;

  const progress = (): Progress => ({
    executions,
    corpus: corpus.length,
    ...coverage.count(),
    lastNew,
    slowest,
  });

  /** Undefined if all that must hold does. */
  async function tries(input: Uint8Array): Promise<unknown> {
    onInput?.(input);
    executions++;
    try {
      const running = target.run(input);
      if (running !== undefined) await running;
      return undefined;
    } catch (error) {
      return error ?? new Error('it threw nothing');
    }
  }

  async function report(input: Uint8Array, error: unknown, breaks: (one: Uint8Array) => Promise<boolean>) {
    const signature = signatureOf(error);
    if (findings.has(signature) || findings.size >= MOST_FINDINGS) return;
    // Before it is made smaller, which may come upon it again.
    findings.set(signature, { signature, details: '', input });
    const small = await minimize(input, breaks);
    const details = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const finding = { signature, details, input: small };
    findings.set(signature, finding);
    options.onFinding?.(finding);
  }

  /** Whether it took too long, each time. */
  async function isSlow(input: Uint8Array): Promise<boolean> {
    for (let round = 0; round < 3; round++) {
      const started = processorTime();
      await tries(input);
      if (processorTime() - started < slow) return false;
    }
    return true;
  }

  async function runAll(inputs: readonly Uint8Array[]): Promise<void> {
    let before = processorTime();
    for (const input of inputs) {
      const error = await tries(input);
      if (error !== undefined) {
        const signature = signatureOf(error);
        await report(input, error, async (one) => {
          const again = await tries(one);
          return again !== undefined && signatureOf(again) === signature;
        });
      }
      const now = processorTime();
      slowest = Math.max(slowest, error === undefined ? now - before : 0);
      if (now - before >= slow && (await isSlow(input))) {
        await report(input, new Error(`one input takes more than ${slow} ms of processor time`), isSlow);
      }
      before = now;
    }
  }

  /** Finds the inputs that what was seen is due to. */
  async function attribute(inputs: readonly Uint8Array[], seen: Observation): Promise<void> {
    const [only, ...more] = inputs;
    if (only === undefined || seen.news === 0) return;
    if (more.length === 0) {
      coverage.believe(seen);
      lastNew = executions;
      const name = Buffer.from(only).toString('latin1');
      if (!known.has(name)) corpus.push(only);
      known.add(name);
      return;
    }
    const half = inputs.length >> 1;
    for (const part of [inputs.slice(0, half), inputs.slice(half)]) {
      await runAll(part);
      await attribute(part, coverage.look());
    }
  }

  async function runBatch(inputs: readonly Uint8Array[]): Promise<boolean> {
    await runAll(inputs);
    const seen = coverage.look();
    await attribute(inputs, seen);
    return seen.news > 0;
  }

  for (const input of [...target.seeds(), ...options.corpus]) await runBatch([input]);
  if (corpus.length === 0) corpus.push(new Uint8Array(1));
  while (!isOver(executions) && findings.size < MOST_FINDINGS) {
    const batch = Array.from({ length: batchSize }, () => changeInput(target, corpus, random));
    const isNew = await runBatch(batch);
    batchSize = isNew ? Math.max(1, batchSize >> 1) : Math.min(LARGEST_BATCH, batchSize * 2);
    options.onProgress?.(progress());
  }
  const result = progress();
  return { ...result, findings: [...findings.values()], kept: await reduce(corpus) };

  /** Without those whose every block a smaller one runs. */
  async function reduce(inputs: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    coverage.skip();
    coverage.forget();
    const kept: Uint8Array[] = [];
    for (const input of inputs.toSorted((a, b) => a.length - b.length)) {
      await tries(input);
      const seen = coverage.look();
      if (seen.news > 0) kept.push(input);
      coverage.believe(seen);
    }
    return kept;
  }
}

/** An input of the corpus after one to eight changes; the newest are taken more often. */
function changeInput(target: FuzzTarget, corpus: readonly Uint8Array[], random: Random): Uint8Array {
  const { mutators, dictionary, maxLength } = target;
  const newest = Math.min(corpus.length, 24);
  const pick = (): Uint8Array =>
    (random.oneIn(3) ? corpus[corpus.length - 1 - random.below(newest)] : random.pick(corpus)) as Uint8Array;
  let input = pick();
  for (let changes = 1 << random.below(4); changes > 0; changes--) {
    // Cut to nothing by the change before: mutators of formats need something to change.
    if (input.length === 0) input = new Uint8Array(1);
    const choice = random.below(8);
    if (mutators.length > 0 && choice < 5) input = random.pick(mutators)(input, random, pick());
    else if (dictionary.length > 0 && choice < 6) input = insertWord(input, random, dictionary);
    else input = mutateBytes(input, random, pick());
    if (input.length > maxLength) input = input.subarray(0, maxLength);
  }
  return input;
}

/** Of this thread: other threads of the process, and other programs of the host, do not count. */
function threadTime(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
