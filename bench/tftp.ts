/*
 * TFTP beside tftpd-hpa and dnsmasq, interleaved: bytes per second at a number of clients, block sizes, windows and losses,
 * and what a gigabyte costs the server. In a network namespace of its own, since dnsmasq listens on port 69 only and
 * nothing of this may get out.
 *
 * The peers at their best: dnsmasq with room for all clients (it takes 50 by itself), tftpd-hpa standalone (a process a
 * transfer, but none to start by inetd), its timer also at 100 ms instead of a second where packets are lost. Neither
 * knows windows: asked for one, they serve one block at a time, as they do to firmware that asks.
 *
 * Packets are lost on the way in, both ways (iptables' statistic match): netem is not in every kernel, and drops on the
 * way out, of which send(2) tells. The loopback does not carry several blocks as one, as a network card would not.
 *
 *   node bench/tftp.ts [--rounds 5] [--quick] [--full]
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import type { BenchPoint, BenchTable } from './support/bench-table.ts';
import { spreadOf } from './support/compare-samples.ts';
import { DAEMON_FLAGS } from './support/daemon-flags.ts';
import type { TftpLoadOrder, TftpLoadResult } from './support/tftp-load.ts';

export interface TftpBenchOptions {
  readonly rounds?: number;
  /** A smoke run of some seconds. */
  readonly quick?: boolean;
  /** Every combination, 162 of them: hours. */
  readonly full?: boolean;
}

interface Server {
  readonly name: string;
  readonly port: number;
  readonly program: string;
  readonly args: readonly string[];
  /** Takes part only where packets are lost. */
  readonly onlyLossy?: boolean;
  /** It ignores SIGCHLD: nobody is told what its processes, one a transfer, have cost. */
  readonly hidesCost?: boolean;
}

interface Work {
  readonly clients: number;
  readonly file: 'small' | 'mega';
  readonly blockSize: number;
  readonly windowSize: number;
  /** Percent. */
  readonly loss: number;
}

const SIZES = { small: 74_213, mega: 1024 * 1024 } as const;
const NAMES = { small: '74 KB', mega: '1 MB' } as const;
const LOSSY_GOAL = 5;
const here = import.meta.dirname;
const runProgram = promisify(execFile);

const base: Work = { clients: 64, file: 'mega', blockSize: 1468, windowSize: 1, loss: 0 };
/** One thing varied at a time, around what a rack of firmware does. */
const REDUCED: readonly Work[] = [
  ...[1, 64, 256].map((clients): Work => ({ ...base, file: 'small', clients })),
  ...[1, 64, 256].map((clients) => ({ ...base, clients })),
  ...[512, 1432].map((blockSize) => ({ ...base, blockSize })),
  ...[1, 64, 256].flatMap((clients) => [4, 16].map((windowSize) => ({ ...base, clients, windowSize }))),
  ...[0.5, 5].flatMap((loss) => [1, 64, 256].map((clients) => ({ ...base, clients, loss }))),
  ...[0.5, 5].map((loss) => ({ ...base, windowSize: 4, loss })),
];
const QUICK: readonly Work[] = [
  { ...base, file: 'small' },
  { ...base, clients: 1, windowSize: 4, loss: 0.5 },
];
const FULL: readonly Work[] = (['small', 'mega'] as const).flatMap((file) =>
  [1, 64, 256].flatMap((clients) =>
    [512, 1432, 1468].flatMap((blockSize) =>
      [1, 4, 16].flatMap((windowSize) =>
        [0, 0.5, 5].map((loss) => ({ file, clients, blockSize, windowSize, loss })),
      ),
    ),
  ),
);

/** Needs root or user namespaces. Peers that are not installed are left out. */
export async function run(options: TftpBenchOptions = {}): Promise<BenchTable> {
  if (process.env['TINDERBOX_BENCH_NAMESPACE'] === undefined) return runInNamespace(options);
  const { quick = false, full = false, rounds = quick ? 1 : 5 } = options;
  await runProgram('ip', ['link', 'set', 'lo', 'up', 'gso_max_segs', '1']);
  // tftpd-hpa resolves its own address with AI_ADDRCONFIG, to which a host with loopback alone has no IPv4.
  await runProgram('ip', ['address', 'add', '192.0.2.1/32', 'dev', 'lo']);
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-bench-tftp-'));
  const running = new Map<Server, ChildProcess>();
  try {
    await chmod(folder, 0o755);
    for (const [name, size] of Object.entries(SIZES)) await writeFile(join(folder, name), randomBytes(size));
    const servers = serversOf(folder);
    for (const server of servers)
      running.set(server, spawn(server.program, server.args, { stdio: 'ignore' }));
    await Promise.all(servers.map((server) => untilServing(server)));
    // Once for nothing: a program's first second is about starting.
    for (const { port } of servers) await load({ ...orderOf(base, port), seconds: quick ? 0.5 : 2 });
    const works = quick ? QUICK : full ? FULL : REDUCED;
    const seconds = quick ? 0.3 : 2;
    const points: BenchPoint[] = [];
    for (const work of works) points.push(...(await measure(work, running, rounds, seconds)));
    return {
      name: 'tftp',
      title: `TFTP over the loopback, ${rounds} rounds of ${seconds} s for each server`,
      points,
      notes: [
        'dnsmasq and tftpd-hpa know no windows: where one is asked for they send one block at a time.',
        'On two processors the clients (one process) have one and the server the other; figures near the clients’ own limit say that, and the processor time says what the server could do.',
        'tftpd-hpa has a process for each transfer, whose processor time the kernel tells nobody: it is not compared by it.',
        'Tinderbox’s TFTP server alone, its events counted and not kept.',
      ],
    };
  } finally {
    for (const child of running.values()) child.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

function serversOf(folder: string): readonly Server[] {
  const hpa = (name: string, port: number, more: readonly string[]): Server => ({
    name,
    port,
    program: '/usr/sbin/in.tftpd',
    args: [
      '--foreground',
      '--ipv4',
      '--address',
      `127.0.0.1:${port}`,
      '--user',
      'root',
      ...more,
      '--secure',
      folder,
    ],
    onlyLossy: more.length > 0,
    hidesCost: true,
  });
  return [
    {
      name: 'tinderbox',
      port: 7069,
      program: process.execPath,
      args: [...DAEMON_FLAGS, join(here, 'support/tftp-serve.ts'), folder, '7069'],
    },
    {
      name: 'dnsmasq',
      port: 69,
      program: '/usr/sbin/dnsmasq',
      args: `--keep-in-foreground --conf-file=/dev/null --pid-file --port=0 --user=root --enable-tftp --tftp-max=4000
        --quiet-tftp --listen-address=127.0.0.1 --bind-interfaces --log-facility=/dev/null --tftp-root=${folder}`.split(
        /\s+/,
      ),
    },
    hpa('tftpd-hpa', 7070, []),
    hpa('tftpd-hpa, 100 ms', 7071, ['--retransmit', '100000']),
  ].filter((server) => existsSync(server.program));
}

async function measure(
  work: Work,
  running: ReadonlyMap<Server, ChildProcess>,
  rounds: number,
  seconds: number,
): Promise<readonly BenchPoint[]> {
  const { clients, blockSize, windowSize, loss, file } = work;
  const lossy = loss > 0;
  const name = `${clients} client${clients === 1 ? '' : 's'} × ${NAMES[file]}, block ${blockSize}, window ${windowSize}${lossy ? `, loss ${loss} %` : ''}`;
  const speeds = new Map<string, number[]>();
  const costs = new Map<string, number[]>();
  await lose(loss);
  for (let round = 0; round < rounds; round++) {
    for (const [server, { pid = 0 }] of running) {
      if (server.onlyLossy === true && !lossy) continue;
      const before = cpuOf(pid);
      // Long enough for the timers of the slowest peer to run out some times.
      const order = { ...orderOf(work, server.port), seconds: lossy ? 2 * seconds : seconds };
      const result = await load(order);
      const unit = file === 'small' ? SIZES.small : 1e6;
      add(speeds, server.name, result.bytes / unit / result.seconds);
      if (result.bytes > 0 && server.hidesCost !== true)
        add(costs, server.name, (cpuOf(pid) - before) / (result.bytes / 1e9));
    }
  }
  await lose(0);
  const point = (
    unit: BenchPoint['unit'],
    better: BenchPoint['better'],
    from: typeof speeds,
  ): BenchPoint => ({
    work: name,
    unit,
    better,
    own: from.get('tinderbox') ?? [],
    peers: Object.fromEntries([...from].filter(([server]) => server !== 'tinderbox')),
  });
  const speed = point(file === 'small' ? 'files/s' : 'MB/s', 'higher', speeds);
  process.stderr.write(
    `${name}: ${JSON.stringify(Object.fromEntries([...speeds].map(([of, all]) => [of, Math.round(spreadOf(all).median)])))}\n`,
  );
  return [{ ...speed, goal: lossy ? LOSSY_GOAL : 1 }, ...(lossy ? [] : [point('CPU s/GB', 'lower', costs)])];
}

function orderOf(
  { file, clients, blockSize, windowSize }: Work,
  port: number,
): Omit<TftpLoadOrder, 'seconds'> {
  const window = windowSize === 1 ? 0 : windowSize;
  return { host: [127, 0, 0, 1], port, file, size: SIZES[file], clients, blockSize, windowSize: window };
}

function add(to: Map<string, number[]>, name: string, value: number): void {
  to.set(name, [...(to.get(name) ?? []), value]);
}

async function lose(percent: number): Promise<void> {
  await runProgram('iptables', ['-F', 'INPUT']);
  if (percent === 0) return;
  const rule = `-A INPUT -p udp -m statistic --mode random --probability ${percent / 100} -j DROP`;
  await runProgram('iptables', rule.split(' '));
}

/** Seconds of a server, and of its processes that run or that it waited for. */
function cpuOf(pid: number): number {
  let ticks = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    let fields: readonly string[];
    try {
      fields = readFileSync(`/proc/${name}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    } catch {
      continue;
    }
    const own = Number(name) === pid;
    if (!own && Number(fields[1]) !== pid) continue;
    // utime, stime and, of those that it waited for, cutime and cstime.
    for (const field of own ? [11, 12, 13, 14] : [11, 12]) ticks += Number(fields[field]);
  }
  return ticks / 100;
}

async function load(order: TftpLoadOrder): Promise<TftpLoadResult> {
  const program = join(here, 'support/tftp-load.ts');
  const { stdout } = await runProgram(process.execPath, [program, JSON.stringify(order)], {
    timeout: 180_000,
  });
  return JSON.parse(stdout) as TftpLoadResult;
}

async function untilServing(server: Server): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    const { stdout } = await runProgram('ss', ['-Hlun', `sport = :${server.port}`]);
    if (stdout.trim() !== '') return;
    await delay(50);
  }
  throw new Error(`${server.name} does not listen on ${server.port}`);
}

async function runInNamespace(options: TftpBenchOptions): Promise<BenchTable> {
  const root = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const argv = ['--net', ...root, process.execPath, import.meta.filename, JSON.stringify(options)];
  const child = spawn('unshare', argv, {
    env: { ...process.env, TINDERBOX_BENCH_NAMESPACE: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`the bench in its namespace ended with ${String(code)}`);
  return JSON.parse(text) as BenchTable;
}

if (import.meta.main) {
  if (process.env['TINDERBOX_BENCH_NAMESPACE'] !== undefined) {
    console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? '{}') as TftpBenchOptions)));
  } else {
    const { values } = parseArgs({
      options: { rounds: { type: 'string' }, quick: { type: 'boolean' }, full: { type: 'boolean' } },
    });
    const rounds = values.rounds === undefined ? {} : { rounds: Number(values.rounds) };
    console.log(
      JSON.stringify(await run({ ...rounds, quick: values.quick === true, full: values.full === true })),
    );
  }
}
