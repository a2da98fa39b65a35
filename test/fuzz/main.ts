/** `npm run fuzz`: coverage-guided fuzzing of what strangers' bytes reach. */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { nearestWord } from '../../src/document/nearest-word.ts';
import { parseDuration } from '../../src/document/parse-units.ts';
import { replaceCorpus, writeInput } from './corpus-files.ts';
import { type WatchedResult, watchWorker } from './engine/watch-worker.ts';
import { formatCount, formatProgress } from './format-fuzz.ts';
import { listTargets, loadTarget } from './targets.ts';

const HELP = `npm run fuzz -- [target …] [--for TIME] [--seed N] [--jobs N] [--runs N] [--save] [--json]

Searches for inputs that break what must hold of them, guided by the parts of src/ that they run. Without a target all
are fuzzed: ${listTargets().join(', ')}.

  --for TIME   how long in all, shared by the targets: 30s, 10m, 8h (default 10m)
  --seed N     the choices of a former run; it prints which it took
  --jobs N     targets at a time (default: the host's processors, at most 2)
  --runs N     ends a target after so many executions, too
  --save       keeps the inputs that ran something new in test/fuzz/corpus
  --json       the summary as JSON; progress goes to stderr
  --tap        the summary as TAP, for npm test

What breaks is made small and kept in test/fuzz/crashers; a test replays it from then on.
Exit codes: 0 nothing broke, 1 something did, 2 wrong usage.

Example:
  $ npm run fuzz -- dhcp-server tftp-transfer --for 10m`;

interface Options {
  readonly targets: readonly string[];
  readonly milliseconds: number;
  readonly seed: number;
  readonly jobs: number;
  readonly runs?: number;
  readonly save: boolean;
  readonly as: 'text' | 'json' | 'tap';
}

interface Row extends Omit<WatchedResult, 'kept' | 'findings'> {
  readonly target: string;
  readonly findings: readonly {
    readonly signature: string;
    readonly file: string;
    readonly details: string;
  }[];
}

/** Milliseconds between two lines about one target. */
const PAUSE = 10_000;

process.exitCode = await main();

async function main(): Promise<0 | 1 | 2> {
  let options: Options | 'help';
  try {
    options = readOptions();
  } catch (thrown) {
    console.error(`fuzz: ${thrown instanceof Error ? thrown.message : String(thrown)}; see --help`);
    return 2;
  }
  if (options === 'help') {
    console.log(HELP);
    return 0;
  }
  const rows = await fuzzAll(options);
  say(options, rows);
  return rows.every(({ findings }) => findings.length === 0) ? 0 : 1;
}

function readOptions(): Options | 'help' {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      for: { type: 'string', default: '10m' },
      seed: { type: 'string' },
      jobs: { type: 'string' },
      runs: { type: 'string' },
      save: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      tap: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const known = listTargets();
  for (const name of positionals) {
    if (known.includes(name)) continue;
    const near = nearestWord(name, known);
    throw new Error(`there is no target ${name}${near === undefined ? '' : `; ${near} is one`}`);
  }
  const seconds = parseDuration(values.for);
  if (seconds === undefined) throw new Error(`--for ${values.for} is no time such as 10m`);
  return {
    targets: positionals.length === 0 ? known : positionals,
    milliseconds: seconds * 1000,
    seed: number('seed', values.seed, randomInt(1, 2 ** 31)),
    jobs: number('jobs', values.jobs, Math.min(2, availableParallelism())),
    ...(values.runs === undefined ? {} : { runs: number('runs', values.runs, 1) }),
    save: values.save,
    as: values.json ? 'json' : values.tap ? 'tap' : 'text',
  };
}

function number(name: string, text: string | undefined, usual: number): number {
  const value = text === undefined ? usual : Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} is a whole number from 1`);
  return value;
}

async function fuzzAll(options: Options): Promise<readonly Row[]> {
  const { targets, jobs, seed } = options;
  const at = Math.min(jobs, targets.length);
  const share = (options.milliseconds * at) / targets.length;
  const stop = new AbortController();
  // The first one ends the search early, with its summary.
  process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort());
  console.error(
    `seed ${seed}; ${targets.length} targets, ${Math.round(share / 1000)} s each, ${at} at a time`,
  );
  const waiting = [...targets];
  const rows = new Map<string, Row>();
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined && !stop.signal.aborted; name = waiting.shift()) {
      rows.set(name, await fuzzOne(name, share, options, stop.signal));
    }
  };
  await Promise.all(Array.from({ length: at }, work));
  return targets.flatMap((name) => rows.get(name) ?? []);
}

async function fuzzOne(name: string, share: number, options: Options, signal: AbortSignal): Promise<Row> {
  const { seed, runs, save } = options;
  const { aims, maxLength } = await loadTarget(name);
  const findings: Row['findings'][number][] = [];
  const started = performance.now();
  let said = started;
  const { kept, ...result } = await watchWorker({
    target: name,
    seed,
    milliseconds: share,
    ...(runs === undefined ? {} : { runs }),
    about: { aims, maxLength },
    signal,
    onProgress: (progress) => {
      if (performance.now() - said < PAUSE) return;
      said = performance.now();
      console.error(formatProgress(name, progress, (said - started) / 1000));
    },
    onFinding: ({ signature, details, input }) => {
      const file = writeInput('crashers', name, input);
      findings.push({ signature, file, details });
      console.error(
        `${name}: BROKEN: ${signature}\n  ${file}\n${details.slice(0, 4_000).replace(/^/gm, '    ')}`,
      );
    },
  });
  console.error(`${formatProgress(name, result, result.seconds)}  done`);
  if (save && kept.length > 0) replaceCorpus(name, kept);
  return { target: name, ...result, findings };
}

function say({ as, seed }: Options, rows: readonly Row[]): void {
  const executions = rows.reduce((sum, row) => sum + row.executions, 0);
  const broken = rows.reduce((sum, row) => sum + row.findings.length, 0);
  if (as === 'json') {
    console.log(JSON.stringify({ seed, executions, findings: broken, targets: rows }, undefined, 2));
    return;
  }
  if (as === 'tap') {
    console.log('TAP version 14\n# Subtest: fuzz');
    for (const [index, { target, findings, covered, known, ...row }] of rows.entries()) {
      const verdict = findings.length === 0 ? 'ok' : 'not ok';
      const about = `${formatCount(row.executions)} executions, ${covered} of ${known} blocks, seed ${seed}`;
      console.log(`    ${verdict} ${index + 1} - ${target}: ${about}`);
      for (const { signature, file } of findings) console.log(`      BROKEN: ${signature}: ${file}`);
    }
    console.log(`    1..${rows.length}`);
    const verdict = broken === 0 ? 'ok' : 'not ok';
    console.log(`${verdict} 1 - fuzz: ${formatCount(executions)} executions, ${broken} findings\n1..1`);
    return;
  }
  for (const row of rows) console.log(formatProgress(row.target, row, row.seconds));
  console.log(`${formatCount(executions)} executions, ${broken} findings, seed ${seed}`);
}
