/*
 * Boot scripts and configurations a second, by the whole daemon with the shipped role `worker`: as machines ask for them,
 * beside nginx with a file of 4 KiB. Servers take turns in every round. Client and server share the host.
 *
 *   node bench/texts.ts [rounds [seconds]]
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchPoint, BenchTable } from './support/bench-table.ts';
import { createTextLab, type LoadResult, macOf, type TextLab, type TextServer } from './support/text-lab.ts';

export interface TextsOptions {
  readonly rounds?: number;
  /** Some seconds, for a look at whether it works. */
  readonly quick?: boolean;
  /** Of each load; 3 unless told. */
  readonly seconds?: number;
}

const NGINX = 'nginx, 4 KiB file';
const FEW = 10;
const MANY = 10_000;
/** Of one machine each: as many as the smaller site has. */
const CONNECTIONS = 10;
/** Seconds. */
const WARM_UP = 6;
/** A rack; those that wait for the disk share its turns. */
const RACK = 64;

type Kind = 'bootstrap' | 'script' | 'config' | 'release';

interface Work {
  readonly name: string;
  readonly kind: Kind;
  readonly machines: number;
  readonly fresh: boolean;
}

const works: readonly Work[] = [
  { name: 'bootstrap script (/boot.ipxe)', kind: 'bootstrap', machines: MANY, fresh: false },
  { name: 'machine script (/ipxe), 10 machines', kind: 'script', machines: FEW, fresh: false },
  { name: 'machine script (/ipxe), 10,000 machines', kind: 'script', machines: MANY, fresh: false },
  {
    name: 'machine script (/ipxe), 10,000 machines, new connections',
    kind: 'script',
    machines: MANY,
    fresh: true,
  },
  { name: 'cloud-config, 10 machines', kind: 'config', machines: FEW, fresh: false },
  { name: 'cloud-config, 10,000 machines', kind: 'config', machines: MANY, fresh: false },
  { name: 'cloud-config, 10,000 machines, new connections', kind: 'config', machines: MANY, fresh: true },
  {
    name: 'cloud-config with keys and certificate, released once',
    kind: 'release',
    machines: MANY,
    fresh: false,
  },
];

/** Needs root or root inside a user namespace, and nginx. */
export async function run({
  rounds = 5,
  quick = false,
  seconds: length = 3,
}: TextsOptions = {}): Promise<BenchTable> {
  const many = quick ? 200 : MANY;
  const seconds = quick ? 0.3 : length;
  const wanted = process.env['TINDERBOX_BENCH_ONLY'];
  const chosen = works.filter(({ name }) => wanted === undefined || name.includes(wanted));
  await using lab = await createTextLab();
  await using few = await lab.startDaemon({ port: 8100, machines: FEW, delivery: 'csr' });
  await using large = await lab.startDaemon({ port: 8200, machines: many, delivery: 'csr' });
  await using issuing = await lab.startDaemon({ port: 8300, machines: many, delivery: 'issued' });
  const daemonOf = ({ kind, machines }: Work): TextServer =>
    kind === 'release' ? issuing : machines === FEW ? few : large;

  const own = new Map<string, LoadResult[]>(chosen.map(({ name }) => [name, []]));
  const nginx = new Map<string, LoadResult[]>(chosen.map(({ name }) => [name, []]));
  const orderOf = async (work: Work) => ({
    connections: work.kind === 'release' ? RACK : CONNECTIONS,
    fresh: work.fresh,
    targets: await targetsOf(lab, daemonOf(work), work, work.machines === FEW ? FEW : many),
  });
  // For the compiler: it takes some ten thousand requests until all of their way is machine code.
  for (const work of quick ? [] : chosen.filter(({ kind }) => kind !== 'release'))
    await lab.load(daemonOf(work), { ...(await orderOf(work)), seconds: WARM_UP });
  for (let round = 0; round < (quick ? 1 : rounds); round++) {
    for (const work of chosen) {
      const order = await orderOf(work);
      // A release is given once: every machine's is asked for, and that is all there is.
      const result = await lab.load(daemonOf(work), work.kind === 'release' ? order : { ...order, seconds });
      own.get(work.name)?.push(result);
      const file = join(lab.folder, 'nginx-targets');
      await writeFile(file, '/4k\n'.repeat(order.connections));
      const beside = await lab.load(lab.nginx, { ...order, targets: file, seconds });
      nginx.get(work.name)?.push(beside);
      say(work, result, beside);
    }
  }
  return tableOf(chosen, own, nginx, many);
}

/** The file of what the machines ask for; of configurations, after each has fetched its script. */
async function targetsOf(
  lab: TextLab,
  server: TextServer,
  { kind }: Work,
  machines: number,
): Promise<string> {
  const file = join(lab.folder, 'targets');
  const all = Array.from({ length: machines }, (_, at) =>
    kind === 'bootstrap' ? '/boot.ipxe' : scriptOf(at),
  );
  await writeFile(file, `${all.join('\n')}\n`);
  if (kind === 'script' || kind === 'bootstrap') return file;
  const collected = join(lab.folder, 'tokens');
  await lab.load(server, {
    targets: file,
    connections: kind === 'release' ? RACK : CONNECTIONS,
    fresh: false,
    collect: { pattern: 'cloud-config-url=http://[^/]+(/boot/[^/]+/cloud-config)', file: collected },
  });
  await writeFile(file, await readFile(collected));
  return file;
}

/** What /boot.ipxe has iPXE ask; QEMU's values. */
function scriptOf(at: number): string {
  const mac = macOf(at);
  const hex = at.toString(16).padStart(12, '0');
  return `/ipxe?mac=${mac}&uuid=4c4c4544-0000-4000-8000-${hex}&serial=S${hex}&asset=&arch=x86_64&platform=efi&manufacturer=QEMU&product=Standard%20PC%20(Q35%20%2B%20ICH9,%202009)`;
}

const rate = ({ requests, seconds }: LoadResult): number => requests / seconds;
const cost = ({ requests, serverCpuSeconds }: LoadResult): number => (serverCpuSeconds * 1000) / requests;

function say({ name }: Work, own: LoadResult, nginx: LoadResult): void {
  console.error(
    `${name.padEnd(58)} ${rate(own).toFixed(0).padStart(6)}/s ${(cost(own) * 1000).toFixed(1).padStart(6)} µs  nginx ${rate(nginx).toFixed(0).padStart(6)}/s ${(cost(nginx) * 1000).toFixed(1).padStart(5)} µs  (client ${((own.cpuSeconds / own.requests) * 1e6).toFixed(1)} µs)`,
  );
}

function tableOf(
  chosen: readonly Work[],
  own: ReadonlyMap<string, readonly LoadResult[]>,
  nginx: ReadonlyMap<string, readonly LoadResult[]>,
  many: number,
): BenchTable {
  const of = (
    results: ReadonlyMap<string, readonly LoadResult[]>,
    { name }: Work,
    value: (result: LoadResult) => number,
  ) => (results.get(name) ?? []).map(value);
  const points: BenchPoint[] = chosen.flatMap((work): BenchPoint[] => [
    {
      work: work.name,
      unit: 'requests/s',
      better: 'higher',
      own: of(own, work, rate),
      peers: { [NGINX]: of(nginx, work, rate) },
    },
    {
      work: `${work.name}: processor time of the server for one`,
      unit: 'ms',
      better: 'lower',
      own: of(own, work, cost),
      peers: { [NGINX]: of(nginx, work, cost) },
    },
  ]);
  for (const kind of ['script', 'config'] as const) {
    const few = chosen.find((work) => work.kind === kind && work.machines === FEW);
    const large = chosen.find((work) => work.kind === kind && work.machines === MANY && !work.fresh);
    if (few === undefined || large === undefined) continue;
    points.push({
      work: `${kind === 'script' ? 'machine script' : 'cloud-config'}: processor time for one, ${many.toLocaleString('en')} machines known, beside 10`,
      unit: 'ms',
      better: 'lower',
      own: of(own, large, cost),
      peers: { '10 machines known': of(own, few, cost) },
      goal: 1,
    });
  }
  return {
    name: 'texts',
    title: `Boot scripts and configurations of the shipped role worker, ${CONNECTIONS} connections (${RACK} for certificates), client and server on one host`,
    points,
    notes: [
      'nginx sends a file of 4 KiB as the common yardstick: it decides, renders and records nothing.',
      'matchbox is in no registry that this bench uses. Its figures, 8,500 scripts and 4,600 configurations a second, are from another run on another host.',
      'A session keeps 500 events. With 10 machines a run soon passes that, and what follows is counted, not recorded; with 10,000 every request is recorded.',
    ],
  };
}

if (import.meta.main) {
  const table = await run({
    rounds: Number(process.argv[2] ?? 5),
    seconds: Number(process.argv[3] ?? 3),
    quick: process.argv.includes('--quick'),
  });
  if (process.argv.includes('--json')) console.log(JSON.stringify(table));
}
