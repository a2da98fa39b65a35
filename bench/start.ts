/*
 * From the start of the program to its first OFFER and its first answer over HTTP, and what it holds at rest. Beside it, as
 * context and no match: dnsmasq, Kea and nginx, each of which does a part of the work and is machine code.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type NetworkNamespace, stopProcess } from '../src/lab/namespace.ts';
import { createSite } from '../test/interop/support/daemon-site.ts';
import { createLab, type Lab } from '../test/interop/support/dhcp-lab.ts';
import type { BenchPoint, BenchTable } from './support/bench-table.ts';
import { startKea } from './support/run-kea-dhcp4.ts';

const ADDRESS = '10.77.0.1';
const RANGE = '10.77.0.100-10.77.0.200';
/** Milliseconds in which any of them must have answered. */
const PATIENCE = 120_000;
/** Milliseconds after its first answers: garbage of the start is collected, caches are filled. */
const REST = 3_000;
const TICKS_A_SECOND = 100;

interface Started {
  /** Seconds from the start of the program. */
  readonly dhcp?: number;
  readonly http?: number;
  /** Of its processor, until the last of these answers. */
  readonly cpu: number;
  /** Resident, of all its processes. */
  readonly mib: number;
}

interface Subject {
  readonly name: string;
  readonly asks: { readonly dhcp: boolean; readonly http: boolean };
  /** What its processes are called. */
  readonly command: string;
  start(namespace: NetworkNamespace, folder: string): Promise<AsyncDisposable>;
}

const OWN = 'tinderbox';

function createTinderbox(cache: string): Subject['start'] {
  return async (namespace) => {
    const site = await createSite(namespace, {}, ['env', `NODE_COMPILE_CACHE=${cache}`]);
    site.launch();
    return site;
  };
}

const PEERS: readonly Subject[] = [
  {
    name: 'dnsmasq, DHCP and TFTP',
    asks: { dhcp: true, http: false },
    command: 'dnsmasq',
    async start(namespace, folder) {
      return disposable(
        namespace.spawn(
          `dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --user=root --interface=br0
           --dhcp-range=10.77.0.100,10.77.0.200 --dhcp-authoritative --no-ping --dhcp-leasefile=${folder}/leases
           --enable-tftp --tftp-root=${folder} --pid-file=`.split(/\s+/),
        ),
      );
    },
  },
  {
    name: 'Kea, DHCP',
    asks: { dhcp: true, http: false },
    command: 'kea-dhcp4',
    start: (namespace) =>
      startKea(namespace, {
        subnet: '10.77.0.0/24',
        range: RANGE,
        interface: 'br0',
        threads: 0,
        sockets: 'raw',
      }),
  },
  {
    name: 'nginx, HTTP',
    asks: { dhcp: false, http: true },
    command: 'nginx',
    async start(namespace, folder) {
      await writeFile(path.join(folder, 'healthz'), 'ok\n');
      const config = path.join(folder, 'nginx.conf');
      await writeFile(
        config,
        `daemon off; master_process on; worker_processes 1; pid ${folder}/pid; error_log ${folder}/log;
events {} http { access_log off; server { listen ${ADDRESS}:80; root ${folder}; } }
`,
      );
      return disposable(namespace.spawn(['nginx', '-c', config, '-g', 'user root;']));
    },
  },
];

function disposable(child: ChildProcess): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => stopProcess(child) };
}

async function measure(lab: Lab, client: NetworkNamespace, subject: Subject): Promise<Started> {
  const { namespace } = lab.network;
  const folder = await mkdtemp(path.join(tmpdir(), 'tinderbox-start-'));
  const ask = fileURLToPath(new URL('support/await-answers.ts', import.meta.url));
  const url = subject.asks.http ? `http://${ADDRESS}/healthz` : '-';
  const asking = client.spawn([process.execPath, ask, 'eth0', url, subject.asks.dhcp ? 'dhcp' : '-'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let starting: Promise<AsyncDisposable> | undefined;
  try {
    const lines = createInterface({ input: asking.stdout as NodeJS.ReadableStream });
    await once(lines, 'line');
    const answered = once(lines, 'line') as Promise<[string]>;
    const began = Number(process.hrtime.bigint()) / 1e6;
    starting = subject.start(namespace, folder);
    const late = delay(PATIENCE, undefined, { ref: false }).then(() => {
      throw new Error(`${subject.name} does not answer`);
    });
    const [line] = await Promise.race([answered, late, starting.then(() => answered)]);
    const pids = await findProcesses(namespace, subject.command);
    const cpu = await sumOf(pids, readCpu);
    await delay(REST);
    const mib = await sumOf(pids, readMib);
    const { dhcp, http } = JSON.parse(line) as { dhcp?: number; http?: number };
    return {
      ...(dhcp === undefined ? {} : { dhcp: (dhcp - began) / 1000 }),
      ...(http === undefined ? {} : { http: (http - began) / 1000 }),
      cpu,
      mib,
    };
  } finally {
    await (await starting)?.[Symbol.asyncDispose]();
    await stopProcess(asking);
    await rm(folder, { recursive: true, force: true });
  }
}

/** Those in this network namespace, by their names. */
async function findProcesses(namespace: NetworkNamespace, command: string): Promise<readonly string[]> {
  const network = await readlink(`/proc/${namespace.pid}/ns/net`);
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const name = await readFile(`/proc/${pid}/comm`, 'latin1').catch(() => '');
    const place = await readlink(`/proc/${pid}/ns/net`).catch(() => '');
    if (place === network && name.trim().startsWith(command)) found.push(pid);
  }
  if (found.length === 0) throw new Error(`no ${command} runs`);
  return found;
}

async function sumOf(pids: readonly string[], read: (pid: string) => Promise<number>): Promise<number> {
  const values = await Promise.all(pids.map(read));
  return values.reduce((sum, value) => sum + value, 0);
}

/** Seconds, of all its threads and of the children that it waited for. */
async function readCpu(pid: string): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1');
  // Fields 14 to 17 of proc_pid_stat(5); the name before them may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) / TICKS_A_SECOND;
}

async function readMib(pid: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? Number.NaN) / 1024;
}

export async function run(
  options: { readonly rounds?: number; readonly quick?: boolean } = {},
): Promise<BenchTable> {
  const { quick = false, rounds = quick ? 1 : 5 } = options;
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(await createLab());
  const client = await lab.addClient();
  await client.run(['ip', 'address', 'add', '10.77.0.3/24', 'dev', 'eth0']);
  const cache = await mkdtemp(path.join(tmpdir(), 'tinderbox-compiled-'));
  stack.defer(() => rm(cache, { recursive: true, force: true }));
  const asks = { dhcp: true, http: true };
  const results = new Map<string, Started[]>();
  for (let round = 0; round < rounds; round++) {
    const cold = path.join(cache, `cold-${round}`);
    await mkdir(cold);
    const subjects: readonly Subject[] = [
      { name: `${OWN}, cold`, asks, command: OWN, start: createTinderbox(cold) },
      { name: OWN, asks, command: OWN, start: createTinderbox(cold) },
      ...(quick ? [] : PEERS),
    ];
    for (const subject of subjects) {
      const started = await measure(lab, client, subject);
      process.stderr.write(`start: ${subject.name}: ${JSON.stringify(started)}\n`);
      results.set(subject.name, [...(results.get(subject.name) ?? []), started]);
    }
  }
  return {
    name: 'start',
    title: `From the start of the program to its first answers, and memory at rest; ${rounds} round(s)`,
    points: pointsOf(results),
    notes: [
      'Cold: nothing was compiled before, as at the first start after an installation or update. Warm: every other one. Files are in the page cache in both.',
      'The peers are context: each does a part of the work, without roles, certificates, history or a page.',
      'Processor: of all threads, until the first answers were there.',
    ],
  };
}

function pointsOf(results: ReadonlyMap<string, readonly Started[]>): readonly BenchPoint[] {
  const point = (
    work: string,
    own: string,
    unit: BenchPoint['unit'],
    read: (started: Started) => number | undefined,
  ): BenchPoint => {
    const samples = (name: string) => (results.get(name) ?? []).flatMap((one) => read(one) ?? []);
    const peers = PEERS.map(({ name }) => [name, samples(name)] as const).filter(([, all]) => all.length > 0);
    return { work, unit, better: 'lower', own: samples(own), peers: Object.fromEntries(peers) };
  };
  const cold = `${OWN}, cold`;
  return [
    point('first OFFER, cold', cold, 's', ({ dhcp }) => dhcp),
    point('first OFFER, warm', OWN, 's', ({ dhcp }) => dhcp),
    point('first answer over HTTP, cold', cold, 's', ({ http }) => http),
    point('first answer over HTTP, warm', OWN, 's', ({ http }) => http),
    point('processor until then, cold', cold, 's', ({ cpu }) => cpu),
    point('processor until then, warm', OWN, 's', ({ cpu }) => cpu),
    point('memory at rest, after a warm start', OWN, 'MiB', ({ mib }) => mib),
  ];
}

if (import.meta.main) {
  const table = await run({ quick: process.argv.includes('--quick') });
  process.stdout.write(`${JSON.stringify(table, undefined, 2)}\n`);
}
