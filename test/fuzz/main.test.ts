import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';

const MAIN = new URL('main.ts', import.meta.url).pathname;
const run = promisify(execFile);

async function fuzz(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    return { code: 0, ...(await run(process.execPath, [MAIN, ...args])) };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

t.test('a short search says how much ran, and of what', async (t) => {
  const { code, stdout, stderr } = await fuzz('pcap', 'http-asset', '--runs', '300', '--seed', '5', '--json');
  t.equal(code, 0, stderr);
  const summary = JSON.parse(stdout) as {
    seed: number;
    targets: { target: string; executions: number; covered: number; known: number; findings: unknown[] }[];
  };
  t.equal(summary.seed, 5);
  t.strictSame(
    summary.targets.map(({ target }) => target),
    ['pcap', 'http-asset'],
  );
  for (const { target, executions, covered, known, findings } of summary.targets) {
    t.ok(executions >= 300, target);
    t.ok(covered > 10 && covered <= known, `${target}: ${covered} of ${known}`);
    t.strictSame(findings, [], target);
  }
});

t.test('as part of npm test it says the same in TAP', async (t) => {
  const { code, stdout } = await fuzz('pcap', '--runs', '100', '--tap');
  t.equal(code, 0);
  t.match(stdout, /^TAP version 14\n# Subtest: fuzz\n {4}ok 1 - pcap: \d+ executions, /);
  t.match(stdout, /\nok 1 - fuzz: .* 0 findings\n1\.\.1\n$/);
});

t.test('what it does not understand is wrong usage', async (t) => {
  const rows: readonly (readonly [readonly string[], RegExp])[] = [
    [['dhcp-serve'], /no target dhcp-serve; dhcp-server is one/],
    [['--for', 'long'], /--for long is no time/],
    [['--seed', '-1'], /./],
    [['--jobs=0'], /--jobs is a whole number/],
    [['--nothing'], /see --help/],
  ];
  for (const [args, message] of rows) {
    const { code, stderr } = await fuzz(...args);
    t.equal(code, 2, args.join(' '));
    t.match(stderr, message);
  }
  const help = await fuzz('--help');
  t.equal(help.code, 0);
  t.match(help.stdout, /Example:/);
});
