/*
 * DHCP exchanges a second beside Kea: the highest rate without losses that perfdhcp finds, every server in a namespace
 * of its own, probes taking turns so that a noisy machine is noisy for all.
 *
 * Durability: Kea's memfile appends each lease to a file and never syncs it. `leaseDurability: process` promises the
 * same (the process may end, the power may not); `disk` syncs before each ACK, in groups, and promises more than Kea.
 */
import type { NetworkNamespace } from '../src/lab/namespace.ts';
import { createLab, startDaemon } from '../test/interop/support/dhcp-lab.ts';
import { measureDhcp } from './support/measure-dhcp.ts';
import { startKea } from './support/run-kea-dhcp4.ts';

const SERVER = '10.77.0.1';
const RELAY = '10.77.0.3';
const RANGE = '10.77.4.0-10.77.255.250';
/** Of the packets of a probe: a single one that the kernel dropped does not decide. */
const LOSS_ALLOWED = 0.001;
const FIRST_RATE = 400;
const GROWTH = 1.5;
const REFINEMENTS = 3;

export interface DhcpBenchOptions {
  /** Seconds of each probe. */
  readonly seconds?: number;
  readonly write?: (text: string) => void;
}

export interface DhcpBenchResult {
  /** Highest rate without losses, exchanges a second, by server. */
  readonly rates: Readonly<Record<string, number>>;
  /** Tinderbox at Kea's durability over the faster Kea; the bar is 1. */
  readonly ratio: number;
  /** Tinderbox with fsync over the faster Kea. */
  readonly diskRatio: number;
}

/** A server under test and what the search for its rate knows. */
interface Candidate {
  readonly name: string;
  readonly client: NetworkNamespace;
  /** Highest rate that held, lowest that did not. */
  held: number;
  failed: number;
}

const CONTENDERS = ['tinderbox process', 'tinderbox disk', 'kea 1 thread', 'kea 2 threads'] as const;
type Contender = (typeof CONTENDERS)[number];

async function startContender(name: Contender, server: NetworkNamespace): Promise<AsyncDisposable> {
  switch (name) {
    case 'tinderbox process':
    case 'tinderbox disk': {
      const durability = name === 'tinderbox disk' ? 'disk' : 'process';
      const config = `network: { interface: br0 }
dhcp: { mode: server, probe: off, range: ${RANGE}, leaseTime: 1h, probeAddresses: false, leaseDurability: ${durability} }
`;
      return startDaemon(server, { config, address: SERVER });
    }
    case 'kea 1 thread':
    case 'kea 2 threads':
      return startKea(server, {
        subnet: '10.77.0.0/16',
        range: RANGE,
        interface: 'br0',
        threads: name === 'kea 2 threads' ? 2 : 0,
      });
  }
}

/** The next rate to try: growing until one fails, then halving the gap. Undefined when the gap is small enough. */
function nextRate({ held, failed }: Candidate): number | undefined {
  if (failed === Number.POSITIVE_INFINITY) return held === 0 ? FIRST_RATE : Math.round(held * GROWTH);
  if (held === 0) return failed > 50 ? Math.round(failed / 2) : undefined;
  const smallest = held * (GROWTH ** (1 / 2 ** REFINEMENTS) - 1);
  return failed - held > smallest ? Math.round((held + failed) / 2) : undefined;
}

async function probe(candidate: Candidate, rate: number, seconds: number): Promise<void> {
  const load = { rate, seconds, from: RELAY, to: SERVER };
  for (let attempt = 0; attempt < 2; attempt++) {
    const { asked, lossRatio } = await measureDhcp(candidate.client, load);
    // perfdhcp itself may not come up to the rate: then the rate was not tried, and nothing above it can be.
    if (lossRatio <= LOSS_ALLOWED && asked >= rate * 0.9) {
      candidate.held = rate;
      return;
    }
  }
  candidate.failed = rate;
}

export async function run(options: DhcpBenchOptions = {}): Promise<DhcpBenchResult> {
  const { seconds = 2, write = (text) => process.stdout.write(text) } = options;
  await using stack = new AsyncDisposableStack();
  const candidates: Candidate[] = [];
  for (const name of CONTENDERS) {
    const lab = stack.use(await createLab({ address: `${SERVER}/16` }));
    const client = await lab.addClient(`${RELAY}/16`);
    stack.use(await startContender(name, lab.network.namespace));
    await measureDhcp(client, { rate: 200, seconds: 1, from: RELAY, to: SERVER });
    candidates.push({ name, client, held: 0, failed: Number.POSITIVE_INFINITY });
  }
  for (let searching = true; searching; ) {
    searching = false;
    for (const candidate of candidates) {
      const rate = nextRate(candidate);
      if (rate === undefined) continue;
      searching = true;
      await probe(candidate, rate, seconds);
    }
  }
  const rates = Object.fromEntries(candidates.map(({ name, held }) => [name, held]));
  const peer = Math.max(rates['kea 1 thread'] ?? 0, rates['kea 2 threads'] ?? 0);
  const ratio = (rates['tinderbox process'] ?? 0) / peer;
  const diskRatio = (rates['tinderbox disk'] ?? 0) / peer;
  write('DHCP, exchanges a second without losses\n');
  for (const { name, held } of candidates) write(`  ${name.padEnd(18)} ${String(held).padStart(6)}\n`);
  write(`  Tinderbox / Kea at equal durability (neither syncs): ${ratio.toFixed(2)}\n`);
  write(`  Tinderbox with fsync before each ACK / Kea without: ${diskRatio.toFixed(2)}\n`);
  return { rates, ratio, diskRatio };
}

if (import.meta.main) await run();
