import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import type { SoakReport } from '../soak/soak-report.ts';

const full = process.env['TINDERBOX_FULL'] === '1';
const MAIN = join(import.meta.dirname, '../soak/main.ts');

/** With a seed of its own each time; the report says which. */
async function soak(
  ...args: readonly string[]
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const { NODE_OPTIONS: _hooks, ...env } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  const text = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => void (text.stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => void (text.stderr += chunk));
  await once(child, 'close');
  return { code: child.exitCode, ...text };
}

t.test('a short day with every accident breaks no invariant', async (t) => {
  const machines = full ? '30' : '6';
  const { code, stdout, stderr } = await soak(
    '--for',
    full ? '15m' : '25s',
    '--machines',
    machines,
    '--json',
  );
  t.equal(code, 0, stderr);
  const report = JSON.parse(stdout) as SoakReport;
  t.comment(`seed ${report.seed}`);
  t.same(report.broken, {});
  t.ok(report.boots.finished > 0, `${report.boots.finished} boots finished`);
  t.ok(report.boots.verified > 0, `${report.boots.verified} timelines were read`);
  t.ok(Object.keys(report.faults).length > 0, Object.keys(report.faults).join(', '));
});

t.test('it says how it is used', async (t) => {
  const { code, stdout } = await soak('--help');
  t.equal(code, 0);
  t.match(stdout, /Example:\n {2}\$ sudo npm run soak -- --for 10m/);
  const wrong: readonly (readonly string[])[] = [
    ['--for', 'long'],
    ['--machines', '0'],
    ['--seed', 'x'],
    ['--nonsense'],
  ];
  for (const args of wrong) t.match(await soak(...args), { code: 2, stderr: /see --help/ }, args.join(' '));
});
