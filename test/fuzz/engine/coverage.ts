import { type Profiler, Session } from 'node:inspector';
import { pathToFileURL } from 'node:url';

/** What ran since the look before, of the files that are aimed at. */
export interface Observation {
  /** Blocks and functions among them that never ran before, as far as they are believed. */
  readonly news: number;
  readonly functions: readonly { readonly key: string; readonly ranges: readonly Profiler.CoverageRange[] }[];
}

/** Coverage by V8's own counters, of this thread. A block is a function, or a part of one that may run by itself. */
export interface Coverage {
  /** Forgets what ran since the last look. */
  skip(): void;
  look(): Observation;
  /** Takes what was seen for known: it is no news any more. Only what one input did is attributed rightly. */
  believe(observation: Observation): void;
  /** Nothing is known to have run any more. */
  forget(): void;
  count(): { readonly covered: number; readonly known: number };
}

interface KnownFunction {
  ran: boolean;
  /** By place in the file; whether it ever ran. */
  readonly blocks: Map<string, KnownBlock>;
}

interface KnownBlock {
  readonly start: number;
  readonly end: number;
  ran: boolean;
}

/**
 * Starts counting: what is to be counted must be loaded afterwards. One look takes 1 to 2 ms however little ran, since
 * V8 walks its heap: so that inputs are looked at in batches.
 *
 * V8 reports blocks as ranges inside each other, and one of its own only where its count differs from what is around it.
 * So a block is known once it was seen to differ, and what is new is a function that runs for the first time, or a block
 * that was seen not to run and runs.
 */
export function startCoverage(root: URL, aims: readonly string[]): Coverage {
  const session = new Session();
  session.connect();
  const ask = (method: string, params: object = {}): unknown => {
    let answer: unknown;
    session.post(method, params, (error, result) => {
      if (error !== null) throw new Error(`${method}: ${JSON.stringify(error)}`);
      answer = result;
    });
    return answer;
  };
  ask('Profiler.enable');
  ask('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

  const prefixes = aims.map((aim) => new URL(`src/${aim}`, root).href);
  const functions = new Map<string, KnownFunction>();

  function take(): Observation['functions'] {
    const { result } = ask('Profiler.takePreciseCoverage') as Profiler.TakePreciseCoverageReturnType;
    return result
      .filter(({ url }) => prefixes.some((prefix) => url.startsWith(prefix)))
      .flatMap(({ url, functions: found }) =>
        found.map(({ ranges }) => ({
          key: `${url}:${ranges[0]?.startOffset}:${ranges[0]?.endOffset}`,
          ranges,
        })),
      );
  }

  function knownOf(key: string): KnownFunction {
    const known = functions.get(key) ?? { ran: false, blocks: new Map() };
    functions.set(key, known);
    return known;
  }

  function look(): Observation {
    const observed = take();
    let news = 0;
    for (const { key, ranges } of observed) {
      const known = knownOf(key);
      const runs = (ranges[0]?.count ?? 0) > 0;
      if (runs && !known.ran) news++;
      for (const { startOffset: start, endOffset: end, count } of ranges.slice(1)) {
        const name = `${start}-${end}`;
        if (known.blocks.has(name)) continue;
        // Where the function ran before, a block that shows up running always ran with what is around it.
        if (count === 0 || known.ran) known.blocks.set(name, { start, end, ran: count > 0 });
      }
      if (!known.ran || !runs) continue;
      for (const block of known.blocks.values()) if (!block.ran && ranIn(ranges, block)) news++;
    }
    return { news, functions: observed };
  }

  return {
    skip: () => void take(),
    look,
    believe({ functions: observed }) {
      for (const { key, ranges } of observed) {
        if ((ranges[0]?.count ?? 0) === 0) continue;
        const known = knownOf(key);
        known.ran = true;
        for (const { startOffset: start, endOffset: end, count } of ranges.slice(1)) {
          const name = `${start}-${end}`;
          if (!known.blocks.has(name)) known.blocks.set(name, { start, end, ran: count > 0 });
        }
        for (const block of known.blocks.values()) if (!block.ran && ranIn(ranges, block)) block.ran = true;
      }
    },
    forget() {
      for (const known of functions.values()) {
        known.ran = false;
        for (const block of known.blocks.values()) block.ran = false;
      }
    },
    count() {
      let covered = 0;
      let total = 0;
      for (const known of functions.values()) {
        const blocks = [...known.blocks.values()];
        total += 1 + blocks.length;
        if (known.ran) covered += 1 + blocks.filter(({ ran }) => ran).length;
      }
      return { covered, known: total };
    },
  };
}

/** Of nested ranges the last that holds it is the innermost. */
function ranIn(ranges: readonly Profiler.CoverageRange[], { start, end }: KnownBlock): boolean {
  return (
    ranges.findLast(({ startOffset, endOffset }) => startOffset <= start && end <= endOffset)?.count !== 0
  );
}

/** The project's folder as `startCoverage` wants it. */
export function rootUrl(folder: string): URL {
  return pathToFileURL(folder.endsWith('/') ? folder : `${folder}/`);
}
