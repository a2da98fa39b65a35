import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { waitUntil } from '../interop/support/daemon-site.ts';

const ROOT = join(import.meta.dirname, '../..');
const PATIENCE = 240_000;

interface Demo extends AsyncDisposable {
  /** What it keeps its files in; part of its own and its children's environment. */
  readonly folder: string;
  readonly ended: Promise<number | null>;
  text(): string;
  /** As a terminal's Ctrl-C: to the whole group. */
  interrupt(): void;
}

/** `npm run demo` with the quickest firmware. */
async function startDemo(): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), 'tb-demo-'));
  const { NODE_OPTIONS: _ofTap, ...env } = process.env;
  const argv = ['bin/bootstrap.mjs', 'src/lab/demo.ts', '--arch', 'bios-ipxe', '--mode', 'proxy'];
  const child: ChildProcess = spawn(process.execPath, argv, {
    cwd: ROOT,
    env: { ...env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let text = '';
  const collect = (chunk: Buffer): void => void (text += chunk.toString('utf8'));
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  const ended = once(child, 'close').then(() => child.exitCode);
  const interrupt = (): void => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGINT');
  };
  return {
    folder,
    ended,
    text: () => text,
    interrupt,
    async [Symbol.asyncDispose]() {
      interrupt();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The command lines of all processes that have the folder in theirs or in their environment. */
async function processesOf(folder: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [cmdline = '', environ = ''] = await Promise.all(
        ['cmdline', 'environ'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')),
      );
      return `${cmdline}${environ}`.includes(folder) ? [`${pid} ${cmdline.replaceAll('\0', ' ')}`] : [];
    }),
  );
  return found.flat();
}

t.test('the demo shows each step, the timeline, and ends with booted', { timeout: PATIENCE }, async (t) => {
  await using demo = await startDemo();
  const code = await demo.ended;
  if (code !== 0) t.comment(demo.text());
  t.equal(code, 0);
  const lines = demo.text().trimEnd().split('\n');
  const steps = [
    /a network of its own: br0/,
    /another DHCP server is there/,
    /tinderbox serves \(proxy mode\)/,
    /powered on: bios-ipxe, 52:54:00:77:00:01/,
    /hostname: "?demo-1/,
    /^\$ tinderbox machines 52:54:00:77:00:01$/,
    /^Session 1, opened .*: booted after /,
    /GET \/boot\/1-….*cloud-config/,
  ];
  const places = steps.map((step) => lines.findIndex((line) => step.test(line)));
  t.notOk(places.includes(-1), `lines ${places.join(', ')}`);
  t.same(
    places,
    places.toSorted((one, other) => one - other),
    'in this order',
  );
  t.match(lines.at(-1), /^booted, \d+ s after the start$/);
  t.same(await readdir(demo.folder), [], 'no file stays');
  t.same(await processesOf(demo.folder), [], 'and no process');
});

t.test('Ctrl-C in the middle leaves nothing of it behind', { timeout: PATIENCE }, async (t) => {
  await using demo = await startDemo();
  await waitUntil('the machine is on', () => demo.text().includes('powered on'), {
    limit: 60_000,
    unless: demo.ended.then((code) => `it ended with ${code}: ${demo.text()}`),
  });
  const running = (await processesOf(demo.folder)).join('\n');
  t.match(running, /qemu-system/);
  t.match(running, /tinderbox serve/);
  demo.interrupt();
  t.equal(await demo.ended, 1);
  t.match(demo.text(), /not booted: the demo was stopped\n$/);
  t.same(await processesOf(demo.folder), []);
  t.same(await readdir(demo.folder), []);
});
