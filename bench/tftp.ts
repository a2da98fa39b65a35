/*
 * TFTP beside tftpd-hpa and dnsmasq: rounds of all three in turn, so that a noisy machine is noisy for all; medians and
 * ratios. In a network namespace of its own, since dnsmasq listens on port 69 only and nothing of this may get out.
 *
 *   node bench/tftp.ts [rounds]
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { TftpLoadOrder, TftpLoadResult } from './support/tftp-load.ts';

export interface BenchRow {
  readonly work: string;
  readonly server: string;
  /** Median of the rounds. */
  readonly value: number;
  readonly unit: 'files/s' | 'MB/s';
  /** To Tinderbox in the same work, where the peer can do it: above 1 Tinderbox is faster. */
  readonly ratio: number | undefined;
}

interface Server {
  readonly name: string;
  readonly port: number;
  readonly windows: boolean;
  readonly program: string;
  readonly args: readonly string[];
}

interface Work {
  readonly name: string;
  readonly unit: BenchRow['unit'];
  readonly order: Omit<TftpLoadOrder, 'host' | 'port'>;
}

const SMALL = 74_213;
const LARGE = 64 * 1024 * 1024;
const here = import.meta.dirname;
const runProgram = promisify(execFile);

function serversOf(folder: string): readonly Server[] {
  return [
    {
      name: 'tinderbox',
      port: 7069,
      windows: true,
      program: process.execPath,
      args: [join(here, 'support/tftp-serve.ts'), folder, '7069'],
    },
    {
      name: 'tftpd-hpa',
      port: 7070,
      windows: false,
      program: '/usr/sbin/in.tftpd',
      args: ['--foreground', '--ipv4', '--address', '127.0.0.1:7070', '--user', 'root', '--secure', folder],
    },
    {
      name: 'dnsmasq',
      port: 69,
      windows: false,
      program: '/usr/sbin/dnsmasq',
      args: `--keep-in-foreground --conf-file=/dev/null --pid-file --port=0 --user=root --enable-tftp --tftp-max=1000
        --listen-address=127.0.0.1 --bind-interfaces --log-facility=/dev/null --tftp-root=${folder}`.split(
        /\s+/,
      ),
    },
  ].filter((server) => existsSync(server.program));
}

const works: readonly Work[] = [
  {
    name: '50 clients × 74 KB',
    unit: 'files/s',
    order: { file: 'small', size: SMALL, clients: 50, files: 1500, blockSize: 1468, windowSize: 0 },
  },
  ...[0, 4, 16].map(
    (windowSize): Work => ({
      name: `1 client × 64 MB, window ${Math.max(1, windowSize)}`,
      unit: 'MB/s',
      order: { file: 'large', size: LARGE, clients: 1, files: 1, blockSize: 1468, windowSize },
    }),
  ),
];

/** Needs root or user namespaces, and port 69 of its namespace. Peers that are not installed are left out. */
export async function run(rounds = 5): Promise<readonly BenchRow[]> {
  if (process.env['TINDERBOX_BENCH_NAMESPACE'] === undefined) return runInNamespace(rounds);
  await runProgram('ip', ['link', 'set', 'lo', 'up']);
  // tftpd-hpa resolves its own address with AI_ADDRCONFIG, to which a host with loopback alone has no IPv4.
  await runProgram('ip', ['address', 'add', '192.0.2.1/32', 'dev', 'lo']);
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-bench-tftp-'));
  const running: ChildProcess[] = [];
  try {
    await runProgram('chmod', ['755', folder]);
    await writeFile(join(folder, 'small'), randomBytes(SMALL));
    await writeFile(join(folder, 'large'), randomBytes(LARGE));
    const servers = serversOf(folder);
    for (const server of servers) running.push(spawn(server.program, server.args, { stdio: 'ignore' }));
    await Promise.all(servers.map((server) => untilServing(server)));
    return await measure(servers, rounds);
  } finally {
    for (const child of running) child.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(servers: readonly Server[], rounds: number): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const work of works) {
    const able = servers.filter((server) => work.order.windowSize <= 1 || server.windows);
    const values = new Map(able.map((server) => [server.name, [] as number[]]));
    for (let round = 0; round < rounds; round++) {
      for (const server of able) {
        const result = await load({ ...work.order, host: [127, 0, 0, 1], port: server.port });
        values.get(server.name)?.push(speed(work, result));
      }
    }
    const own = median(values.get('tinderbox') ?? []);
    for (const server of able) {
      const value = median(values.get(server.name) ?? []);
      const ratio = server.name === 'tinderbox' ? undefined : own / value;
      rows.push({ work: work.name, server: server.name, value, unit: work.unit, ratio });
    }
  }
  return rows;
}

async function load(order: TftpLoadOrder): Promise<TftpLoadResult> {
  const program = join(here, 'support/tftp-load.ts');
  const { stdout } = await runProgram(process.execPath, [program, JSON.stringify(order)], {
    timeout: 180_000,
  });
  return JSON.parse(stdout) as TftpLoadResult;
}

async function untilServing(server: Server): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { stdout } = await runProgram('ss', ['-Hlun', `sport = :${server.port}`]);
    if (stdout.trim() !== '') return;
    await delay(50);
  }
  throw new Error(`${server.name} does not listen on ${server.port}`);
}

async function runInNamespace(rounds: number): Promise<readonly BenchRow[]> {
  const root = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const { stdout } = await runProgram(
    'unshare',
    ['--net', ...root, process.execPath, import.meta.filename, String(rounds), '--json'],
    { env: { ...process.env, TINDERBOX_BENCH_NAMESPACE: '1' }, maxBuffer: 1024 * 1024 },
  );
  return (JSON.parse(stdout) as (Omit<BenchRow, 'ratio'> & { ratio?: number })[]).map((row) => ({
    ...row,
    ratio: row.ratio,
  }));
}

function speed(work: Work, result: TftpLoadResult): number {
  return work.unit === 'files/s' ? result.files / result.seconds : result.bytes / 1e6 / result.seconds;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function formatRow(row: BenchRow): string {
  const ratio = row.ratio === undefined ? '' : `  Tinderbox is ${row.ratio.toFixed(2)} ×`;
  return `${row.work.padEnd(32)}${row.server.padEnd(12)}${row.value.toFixed(0).padStart(7)} ${row.unit}${ratio}`;
}

if (import.meta.main) {
  const rows = await run(Number(process.argv[2] ?? 5));
  if (process.argv.includes('--json')) console.log(JSON.stringify(rows));
  else for (const row of rows) console.log(formatRow(row));
}
