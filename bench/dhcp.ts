/*
 * DHCP beside Kea and dnsmasq, every server in a namespace of its own, taking turns so that a noisy machine is noisy for
 * all. The load client (support/dhcp-load.ts) is one relay agent on behalf of many machines, as perfdhcp is one; perfdhcp
 * itself takes a turn as well.
 *
 * Durability: Kea's memfile appends each lease to a file and never syncs it; dnsmasq writes its file anew and never syncs
 * it. `leaseDurability: process` promises the same (the process may end, the power may not); `disk` syncs before each
 * ACK, in groups, and promises more than both.
 */
import { createLab, startDaemon } from '../test/interop/support/dhcp-lab.ts';
import type { BenchPoint, BenchTable } from './support/bench-table.ts';
import type { DhcpLoadOrder } from './support/dhcp-load.ts';
import { type DhcpMeasurement, type DhcpTarget, measureDhcp } from './support/measure-dhcp.ts';
import { measurePerfdhcp } from './support/measure-perfdhcp.ts';
import { startDnsmasq } from './support/run-dnsmasq-dhcp.ts';
import { startKea } from './support/run-kea-dhcp4.ts';

const SERVER = '10.77.0.1';
const RELAY = '10.77.0.3';
const RANGE = '10.77.4.0-10.77.255.250';
/** Of the exchanges of a probe: a single packet that the kernel dropped does not decide. */
const LOSS_ALLOWED = 0.001;
/** Machines that are in the middle of an exchange when the server is kept busy. */
const AT_ONCE = 64;
/** Machines that take turns; all of them have leases after the first seconds. */
const MACHINES = 20_000;
/** Steps from the rate of a closed loop down to the highest that loses nothing. */
const STEPS = [1.1, 1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1];
/** perfdhcp begins at most so much above what held last time. */
const GROWTH = 1.25;
const KNOWN = 10_000;

export interface DhcpBenchOptions {
  readonly rounds?: number;
  /** A smoke run of some seconds. */
  readonly quick?: boolean;
  readonly write?: (text: string) => void;
}

const SERVERS = [
  'process',
  'disk',
  'Kea, 1 thread',
  'Kea, 2 threads',
  'dnsmasq',
  '10 known',
  '10,000 known',
] as const;
type ServerName = (typeof SERVERS)[number];
const PEERS = ['Kea, 1 thread', 'Kea, 2 threads', 'dnsmasq'] as const;

/** A server under test, and its samples by kind of work. */
interface Contender extends DhcpTarget {
  readonly name: ServerName;
  readonly samples: Record<Work, number[]>;
}

const WORKS = ['rate', 'held', 'perfdhcp', 'cpu', 'p50', 'p99'] as const;
type Work = (typeof WORKS)[number];

async function startServer(name: ServerName, { server }: DhcpTarget): Promise<AsyncDisposable> {
  switch (name) {
    case 'process':
    case 'disk':
    case '10 known':
    case '10,000 known': {
      const durability = name === 'disk' ? 'disk' : 'process';
      const config = `network: { interface: br0 }
dhcp: { mode: server, probe: off, range: ${RANGE}, leaseTime: 1h, probeAddresses: false, leaseDurability: ${durability} }
`;
      const machines = listMachines(name === '10,000 known' ? KNOWN : name === '10 known' ? 10 : 0);
      return startDaemon(server, { config, machines, address: SERVER });
    }
    case 'Kea, 1 thread':
    case 'Kea, 2 threads': {
      const threads = name === 'Kea, 2 threads' ? 2 : 0;
      return startKea(server, { subnet: '10.77.0.0/16', range: RANGE, interface: 'br0', threads });
    }
    case 'dnsmasq':
      return startDnsmasq(server, { range: RANGE, netmask: '255.255.0.0', interface: 'br0' });
  }
}

/** Entries of the last of the machines that the load client plays, so that those who ask are known and unknown ones. */
function listMachines(count: number): string {
  const entries = Array.from(
    { length: count },
    (_, index) => `  ${macOf(MACHINES - 1 - index)}: { role: worker }`,
  );
  return ['default: worker', ...(count === 0 ? [] : ['machines:', ...entries]), ''].join('\n');
}

function macOf(number: number): string {
  return `02:ff:${number.toString(16).padStart(8, '0').match(/../g)?.join(':')}`;
}

const isPeer = (name: ServerName): boolean => (PEERS as readonly string[]).includes(name);
const isCompared = (name: ServerName): boolean => !name.endsWith('known');

export async function run(options: DhcpBenchOptions = {}): Promise<BenchTable> {
  const { quick = false, rounds = quick ? 1 : 5, write = (text) => process.stderr.write(text) } = options;
  const seconds = quick ? 0.5 : 3;
  await using stack = new AsyncDisposableStack();
  const contenders: Contender[] = [];
  for (const name of SERVERS) {
    if (quick && name === '10,000 known') continue;
    write(`dhcp: starting ${name}\n`);
    const lab = stack.use(await createLab({ address: `${SERVER}/16` }));
    const target = { server: lab.network.namespace, client: await lab.addClient(`${RELAY}/16`) };
    stack.use(await startServer(name, target));
    // Every machine has a lease: later rounds are no easier than the first, and compilers are warm.
    await ask(target, { seconds: quick ? 0.5 : 6, atOnce: AT_ONCE });
    const samples = Object.fromEntries(WORKS.map((work) => [work, [] as number[]])) as Contender['samples'];
    contenders.push({ name, ...target, samples });
  }
  let common: number | undefined;
  for (let round = 1; round <= rounds; round++) {
    for (const contender of contenders) {
      const { rate, cpu, lossRatio } = await ask(contender, { seconds, atOnce: AT_ONCE });
      contender.samples.rate.push(rate);
      contender.samples.cpu.push(cpu);
      write(
        `dhcp ${round}/${rounds}: ${contender.name}: ${rate.toFixed(0)} exchanges/s, ${(cpu * 1000).toFixed(0)} µs each, lost ${(lossRatio * 100).toFixed(2)} %\n`,
      );
    }
    const compared = contenders.filter(({ name }) => isCompared(name));
    for (const contender of compared) {
      const held = await highestRate(contender, Math.min(seconds, 2));
      contender.samples.held.push(held);
      const perfdhcp = quick ? 0 : await highestByPerfdhcp(contender, 2);
      if (!quick) contender.samples.perfdhcp.push(perfdhcp);
      write(`dhcp ${round}/${rounds}: ${contender.name}: ${held} held, with perfdhcp ${perfdhcp}\n`);
    }
    // The same for all and in all rounds: half of what the slowest but dnsmasq can do.
    common ??= Math.round(
      Math.min(
        ...compared.filter(({ name }) => name !== 'dnsmasq').map(({ samples }) => samples.rate[0] ?? 0),
      ) / 2,
    );
    for (const contender of compared) {
      const { p50, p99 } = await ask(contender, { seconds, rate: common });
      contender.samples.p50.push(p50);
      contender.samples.p99.push(p99);
      write(
        `dhcp ${round}/${rounds}: ${contender.name}: at ${common}/s p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms\n`,
      );
    }
  }
  return toTable(contenders, { rounds, seconds, common: common ?? 0 });
}

function ask(
  target: DhcpTarget,
  order: Pick<DhcpLoadOrder, 'seconds' | 'atOnce' | 'rate'>,
): Promise<DhcpMeasurement> {
  return measureDhcp(target, { from: octets(RELAY), to: octets(SERVER), machines: MACHINES, ...order });
}

function octets(address: string): DhcpLoadOrder['from'] {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return [a, b, c, d];
}

/** DISCOVERs come whatever became of those before: the highest rate at which each gets its ACK. */
async function highestRate(contender: Contender, seconds: number): Promise<number> {
  const capacity = contender.samples.rate.at(-1) ?? 0;
  for (const step of STEPS) {
    const rate = Math.round(capacity * step);
    const { lossRatio, begun, seconds: measured } = await ask(contender, { seconds, rate });
    // Where the client itself does not come up to the rate it was not tried.
    if (lossRatio <= LOSS_ALLOWED && begun / measured >= rate * 0.9) return rate;
  }
  return 0;
}

async function highestByPerfdhcp({ samples, client }: Contender, seconds: number): Promise<number> {
  const last = samples.perfdhcp.at(-1);
  const start = last === undefined || last === 0 ? (samples.rate.at(-1) ?? 0) : last * GROWTH;
  for (let rate = Math.round(start); rate > 100; rate = Math.round(rate * 0.85)) {
    const { asked, lossRatio } = await measurePerfdhcp(client, { rate, seconds, from: RELAY, to: SERVER });
    if (lossRatio <= LOSS_ALLOWED && asked >= rate * 0.9) return rate;
  }
  return 0;
}

interface Conditions {
  readonly rounds: number;
  readonly seconds: number;
  readonly common: number;
}

function toTable(contenders: readonly Contender[], { rounds, seconds, common }: Conditions): BenchTable {
  const samplesOf = (name: ServerName, work: Work): readonly number[] =>
    contenders.find((contender) => contender.name === name)?.samples[work] ?? [];
  const peers = (work: Work): BenchPoint['peers'] =>
    Object.fromEntries(
      contenders.filter(({ name }) => isPeer(name)).map(({ name, samples }) => [name, samples[work]]),
    );
  const both = (
    work: Work,
    what: string,
    kind: Pick<BenchPoint, 'unit' | 'better'>,
    goals?: readonly [number, number],
  ): BenchPoint[] =>
    samplesOf('process', work).length === 0
      ? []
      : (['process', 'disk'] as const).map((name, index) => ({
          work: `${what}, ${name === 'disk' ? 'fsync before each ACK, they without' : 'nobody syncs'}`,
          ...kind,
          own: samplesOf(name, work),
          peers: peers(work),
          ...(goals === undefined ? {} : { goal: goals[index] ?? 1 }),
        }));
  const exchanges = { unit: 'exchanges/s', better: 'higher' } as const;
  const ms = { unit: 'ms', better: 'lower' } as const;
  const known = samplesOf('10,000 known', 'rate');
  return {
    name: 'dhcp',
    title: `DHCP through a relay, four packets an exchange, ${MACHINES} machines in turn, ${rounds} round(s) of ${seconds} s`,
    points: [
      ...both('rate', `${AT_ONCE} machines at once, kept busy`, exchanges, [2, 1]),
      ...both('held', 'highest rate without drops', exchanges, [2, 1]),
      ...both('perfdhcp', 'highest rate without drops, by perfdhcp', exchanges, [2, 1]),
      ...both('p50', `p50 of an exchange at ${common}/s`, ms),
      ...both('p99', `p99 of an exchange at ${common}/s`, ms),
      ...both('cpu', `processor time of an exchange, ${AT_ONCE} at once`, ms),
      ...(known.length === 0
        ? []
        : [
            {
              work: `${AT_ONCE} machines at once, ${KNOWN} entries in machines.yaml, nobody syncs`,
              ...exchanges,
              own: known,
              peers: { 'Tinderbox with 10 entries': samplesOf('10 known', 'rate') },
              goal: 1,
            },
            {
              work: `processor time of an exchange, ${KNOWN} entries in machines.yaml`,
              ...ms,
              own: samplesOf('10,000 known', 'cpu'),
              peers: { 'Tinderbox with 10 entries': samplesOf('10 known', 'cpu') },
              goal: 1,
            },
          ]),
    ],
    notes: [
      'Kea keeps its leases in memfile, dnsmasq in its lease file; neither syncs them.',
      'Server and load client share the processors. perfdhcp needs more of them than the client of the other points.',
      'The highest rate is a step of a tenth of what the server does when it is kept busy; at most 0.1 % may be lost.',
    ],
  };
}

if (import.meta.main)
  console.log(JSON.stringify(await run({ quick: process.argv.includes('--quick') }), null, 2));
