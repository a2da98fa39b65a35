/*
 * HTTP downloads beside nginx with sendfile, interleaved, whole files and ranges: bytes per second, and what a gigabyte
 * costs the server; and how long DHCP answers take beside 64 downloads. The client discards what it gets (http-load.ts):
 * one that copies it costs more than either server, and on two processors would be what is measured.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BenchPoint, BenchTable } from './support/bench-table.ts';
import { DAEMON_FLAGS } from './support/daemon-flags.ts';
import type { HttpLoadOrder, HttpLoadResult } from './support/http-load.ts';
import { measureDhcpDelay } from './support/measure-dhcp-delay.ts';
import { cpuSecondsOf } from './support/process-costs.ts';
import { startNginx } from './support/run-nginx.ts';

const MIB = 1024 * 1024;
const RANGE_BYTES = 4 * MIB;

export interface HttpBenchOptions {
  readonly rounds?: number;
  readonly quick?: boolean;
}

interface Server {
  readonly name: string;
  readonly port: number;
  readonly path: string;
  readonly pids: () => Promise<readonly number[]>;
}

export async function run({
  quick = false,
  rounds = quick ? 1 : 5,
}: HttpBenchOptions = {}): Promise<BenchTable> {
  const fileBytes = (quick ? 32 : 200) * MIB;
  const seconds = quick ? 0.3 : 1.5;
  const counts = quick ? [16] : [1, 16, 64, 256];
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-bench-http-'));
  stack.defer(() => rm(folder, { recursive: true }));
  await writeRandomFile(join(folder, 'image'), fileBytes);

  const own = stack.use(await startOwn(folder, 2 * fileBytes));
  const uncached = stack.use(await startOwn(folder, 0));
  const peers: Server[] = [];
  for (const workers of new Set([1, availableParallelism()])) {
    const port = await freePort();
    const nginx = stack.use(await startNginx(folder, port, workers));
    const name = `nginx, ${workers} worker${workers === 1 ? '' : 's'}`;
    peers.push({ name, port, path: '/image', pids: () => nginx.workers() });
  }

  const works = counts.flatMap((connections) => [
    {
      work: `${connections} × whole file of ${fileBytes / MIB} MiB`,
      connections,
      server: own,
      range: undefined,
    },
    {
      work: `${connections} × range of ${RANGE_BYTES / MIB} MiB`,
      connections,
      server: own,
      range: { bytes: RANGE_BYTES, size: fileBytes },
    },
  ]);
  const disk = {
    work: `${counts.at(-2) ?? 16} × whole file that has no place in memory`,
    connections: counts.at(-2) ?? 16,
    server: uncached,
    range: undefined,
  };
  const speeds = new Samples();
  const costs = new Samples();
  // The file's first reader fills the memory: not what is measured.
  await download(own, { connections: 1, seconds: quick ? 1 : 2, range: undefined });
  for (let round = 1; round <= rounds; round++) {
    for (const { work, server, ...load } of [...works, disk]) {
      for (const one of [server, ...peers]) {
        const { speed, cost } = await download(one, { ...load, seconds });
        speeds.add(work, one.name, speed);
        costs.add(work, one.name, cost);
      }
      process.stderr.write(`http ${round}/${rounds}: ${work}: ${speeds.last(work)} MB/s\n`);
    }
  }

  const point = (
    samples: Samples,
    work: string,
    kind: Omit<BenchPoint, 'work' | 'own' | 'peers'>,
  ): BenchPoint => ({
    work,
    ...kind,
    ...samples.of(work),
  });
  const named = [...works, disk].map(({ work }) => work);
  const delays = await measureDhcpDelay({ rounds, seconds: quick ? 1 : 4, connections: quick ? 4 : 64 });
  return {
    name: 'http',
    title: `HTTP downloads over the loopback, ${rounds} rounds of ${seconds} s`,
    points: [
      ...named.map((work) =>
        point(speeds, work, {
          unit: 'MB/s',
          better: 'higher',
          ...(work === disk.work ? {} : { goal: 2 }),
        }),
      ),
      ...named.map((work) =>
        point(costs, work, {
          unit: 'CPU s/GB',
          better: 'lower',
          ...(work === disk.work ? {} : { goal: 1 / 2 }),
        }),
      ),
      ...delays,
    ],
    notes: [
      'The client discards bodies in the kernel (MSG_TRUNC), and shares the processors with the servers.',
      'Both servers hand the kernel pages with sendfile(2). What is left of the cost is the kernel’s TCP, the same for both: no server that goes through it can be twice as fast as nginx where the client and nginx already take all processors.',
      'DHCP answers are measured with a client that goes ahead of all others (nice -15), through the whole daemon.',
    ],
  };
}

/** By work and server, one a round. */
class Samples {
  readonly #byWork = new Map<string, Map<string, number[]>>();

  add(work: string, server: string, value: number): void {
    const servers = this.#byWork.get(work) ?? new Map<string, number[]>();
    this.#byWork.set(work, servers);
    servers.set(server, [...(servers.get(server) ?? []), Number(value.toPrecision(4))]);
  }

  of(work: string): Pick<BenchPoint, 'own' | 'peers'> {
    const { [OWN]: own = [], ...peers } = Object.fromEntries(this.#byWork.get(work) ?? []);
    return { own, peers };
  }

  last(work: string): string {
    return [...(this.#byWork.get(work) ?? [])]
      .map(([server, values]) => `${server} ${values.at(-1)?.toFixed(0)}`)
      .join(', ');
  }
}

const OWN = 'tinderbox';
const supportFile = (name: string): string => fileURLToPath(new URL(`support/${name}`, import.meta.url));

/** The provisioning plane alone. */
async function startOwn(assets: string, cacheBytes: number): Promise<Server & AsyncDisposable> {
  const argv = [...DAEMON_FLAGS, supportFile('http-server.ts'), assets, String(cacheBytes)];
  const child: ChildProcess = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  const { port } = JSON.parse(String((await lines.next()).value)) as { port: number };
  return {
    name: OWN,
    port,
    path: '/assets/image',
    pids: async () => [child.pid as number],
    async [Symbol.asyncDispose]() {
      child.stdin?.end();
      await exited;
    },
  };
}

/** MB/s, and seconds of processor time that the server took for a gigabyte. */
async function download(
  server: Server,
  {
    range,
    ...load
  }: Pick<HttpLoadOrder, 'connections' | 'seconds'> & { readonly range: HttpLoadOrder['range'] | undefined },
) {
  const pids = await server.pids();
  const cpu = (): number => pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
  const before = cpu();
  const order: HttpLoadOrder = {
    host: [127, 0, 0, 1],
    port: server.port,
    path: server.path,
    ...load,
    ...(range === undefined ? {} : { range }),
  };
  const argv = [supportFile('http-load.ts'), JSON.stringify(order)];
  const { stdout } = await promisify(execFile)(process.execPath, argv);
  const { bytes, seconds, broken } = JSON.parse(stdout) as HttpLoadResult;
  if (broken > 0) throw new Error(`${server.name} broke off ${broken} downloads`);
  return { speed: bytes / seconds / 1e6, cost: (cpu() - before) / (bytes / 1e9) };
}

async function writeRandomFile(path: string, bytes: number): Promise<void> {
  await using file = await open(path, 'w');
  const block = Buffer.concat(
    Array.from({ length: 16 }, () => crypto.getRandomValues(new Uint8Array(65_536))),
  );
  for (let at = 0; at < bytes; at += block.length) await file.write(block);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
