import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { rootUrl, startCoverage } from './coverage.ts';
import { createWindowMemory, lookThrough, openWindow } from './input-window.ts';
import { type FuzzOptions, runFuzz } from './run-fuzz.ts';
import type { FuzzTarget } from './target.ts';

/** Nested conditions, that chance alone would not get through in the executions that the tests allow. */
const MAZE = `
export function walk(bytes) {
  if (bytes[0] !== 0x54) return 0;
  if (bytes[1] !== 0x49) return 1;
  if (bytes[2] !== 0x4e) return 2;
  if (bytes[3] > 0x80) return BROKEN;
  return 3;
}
export function never() { return bytes ? 1 : 2; }
`;

async function maze(root: string, broken: string) {
  mkdirSync(join(root, 'src'));
  const file = join(root, 'src/maze.mjs');
  writeFileSync(file, MAZE.replace('BROKEN', broken));
  const coverage = startCoverage(rootUrl(root), ['maze.mjs']);
  const { walk } = (await import(pathToFileURL(file).href)) as { walk: (bytes: Uint8Array) => number };
  coverage.believe(coverage.look());
  const target: FuzzTarget = {
    what: 'a maze',
    aims: ['maze.mjs'],
    maxLength: 16,
    seeds: () => [new Uint8Array(8)],
    mutators: [],
    dictionary: [],
    run: (input) => void walk(input),
  };
  const options = (more: Partial<FuzzOptions> = {}): FuzzOptions => ({
    seed: 1,
    corpus: [],
    coverage,
    isOver: (executions) => executions > 60_000,
    ...more,
  });
  return { target, options };
}

t.test('coverage leads through conditions that chance does not get through', async (t) => {
  const { target, options } = await maze(t.testdir(), '4');
  const result = await runFuzz(target, options());
  t.strictSame(result.findings, []);
  t.ok(result.corpus >= 4, 'each step of the maze joined the corpus');
  t.ok(
    result.kept.some(([a, b, c, d = 0]) => a === 0x54 && b === 0x49 && c === 0x4e && d > 0x80),
    'the innermost block was reached, and its input is kept',
  );
  t.ok(result.covered < result.known, 'the function that nothing calls is known and not covered');
});

t.test('what breaks is made as small as it gets, and told once', async (t) => {
  const { target, options } = await maze(
    t.testdir(),
    '(() => { throw new TypeError("no way out of " + bytes[3]); })()',
  );
  const told: string[] = [];
  const { findings } = await runFuzz(target, options({ onFinding: ({ signature }) => told.push(signature) }));
  t.equal(findings.length, 1);
  t.match(findings[0]?.signature, /^TypeError: no way out of 0/);
  t.strictSame(told, [findings[0]?.signature]);
  t.strictSame([...(findings[0]?.input ?? [])].slice(0, 3), [0x54, 0x49, 0x4e]);
  t.equal(findings[0]?.input.length, 4);
});

async function inputsOf(seed: number): Promise<string> {
  const { target, options } = await maze(mkdtempSync(join(tmpdir(), 'maze-')), '4');
  const seen: string[] = [];
  await runFuzz(target, {
    ...options({ seed, isOver: (executions) => executions > 3_000 }),
    onInput: (input) => seen.push(Buffer.from(input).toString('hex')),
  });
  return seen.join(' ');
}

t.test('a seed repeats a search, and another one searches elsewhere', async (t) => {
  const first = await inputsOf(7);
  t.equal(await inputsOf(7), first);
  t.not(await inputsOf(8), first);
});

t.test('an input that takes too much of the processor, each time it is asked, is a finding', async (t) => {
  const { target, options } = await maze(t.testdir(), '4');
  let time = 0;
  const slow: FuzzTarget = { ...target, run: (input) => void (time += input[0] === 0x54 ? 5_000 : 1) };
  const { findings } = await runFuzz(slow, options({ processorTime: () => time }));
  t.match(findings[0]?.signature, /processor time/);
  t.equal(findings[0]?.input[0], 0x54);
  let once = true;
  const busy: FuzzTarget = {
    ...target,
    run: () => {
      time += once ? 5_000 : 1;
      once = false;
    },
  };
  const spared = await runFuzz(
    busy,
    options({ processorTime: () => time, isOver: (executions) => executions > 500 }),
  );
  t.strictSame(spared.findings, [], 'a host that was busy once is none');
});

t.test('an input is seen from another thread while it runs', async (t) => {
  const memory = createWindowMemory(4);
  t.equal(lookThrough(memory).input, undefined, 'none yet');
  const window = openWindow(memory);
  window.show(Uint8Array.of(1, 2, 3));
  const first = lookThrough(memory);
  t.strictSame([...(first.input ?? [])], [1, 2, 3]);
  window.show(Uint8Array.of(9, 9, 9, 9, 9));
  t.strictSame([...(lookThrough(memory).input ?? [])], [9, 9, 9, 9], 'cut to what fits');
  t.not(lookThrough(memory).count, first.count);
  window.clear();
  t.equal(lookThrough(memory).input, undefined);
});
