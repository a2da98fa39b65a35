import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLab, startDaemon } from '../../test/interop/support/dhcp-lab.ts';
import type { BenchPoint } from './bench-table.ts';
import type { HttpLoadOrder } from './http-load.ts';

const SERVER = '10.77.0.1';
const RELAY = '10.77.0.3';
const MIB = 1024 * 1024;
const FILE_MIB = 200;

const supportFile = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export interface DhcpDelayOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Downloads at once of a large file that is held, and as many of one that is not. */
  readonly connections: number;
}

/** p50 and p99 of what a DHCP answer takes: with nothing else to do, and beside downloads. In ms. */
export async function measureDhcpDelay(options: DhcpDelayOptions): Promise<readonly BenchPoint[]> {
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(await createLab({ address: `${SERVER}/16` }));
  const client = await lab.addClient(`${RELAY}/16`);
  // Without waiting for the disk: its delay is not that of downloads.
  const config = `network: { interface: br0 }
dhcp: { mode: server, probe: off, range: 10.77.1.0-10.77.2.255, probeAddresses: false, leaseDurability: process }
http: { cacheBytes: ${FILE_MIB + 56}MB }
`;
  const daemon = stack.use(await startDaemon(lab.network.namespace, { config, address: SERVER }));
  for (const name of ['held', 'other']) await writeFileOf(join(daemon.folder, 'assets', name));

  const probe = async (seconds: number): Promise<readonly number[]> => {
    const argv = [process.execPath, supportFile('dhcp-probe.ts'), RELAY, SERVER, String(seconds)];
    return JSON.parse(await client.run(argv, { timeout: (seconds + 30) * 1000 })) as number[];
  };
  const load = (path: string, connections: number, seconds: number): Promise<string> => {
    const order: HttpLoadOrder = { host: [10, 77, 0, 1], port: 80, path, connections, seconds };
    const argv = [process.execPath, supportFile('http-load.ts'), JSON.stringify(order)];
    return client.run(argv, { timeout: (seconds + 30) * 1000 });
  };
  const beside = async (path: string): Promise<readonly number[]> => {
    const loading = load(path, options.connections, options.seconds + 1);
    await new Promise((resolve) => void setTimeout(resolve, 700));
    const delays = await probe(options.seconds);
    await loading;
    return delays;
  };
  const works: readonly (readonly [work: string, measure: () => Promise<readonly number[]>])[] = [
    ['nothing else to do', () => probe(options.seconds)],
    [`beside ${options.connections} downloads from memory`, () => beside('/assets/held')],
    [`beside ${options.connections} downloads from disk`, () => beside('/assets/other')],
  ];

  // Compiled, known machines, and the first file in its place.
  await probe(1);
  await load('/assets/held', 1, 1);
  const samples = new Map<string, number[][]>();
  for (let round = 1; round <= options.rounds; round++) {
    for (const [work, measure] of works) {
      const sorted = [...(await measure())].sort((a, b) => a - b);
      const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0;
      const values = [at(0.5), at(0.99)];
      samples.set(work, [...(samples.get(work) ?? []), values]);
      process.stderr.write(
        `http ${round}/${options.rounds}: DHCP, ${work}: p50 ${values[0]}, p99 ${values[1]} ms\n`,
      );
    }
  }
  return works.flatMap(([work]) =>
    ['p50', 'p99'].map((name, index) => ({
      work: `${name} of a DHCP answer, ${work}`,
      unit: 'ms' as const,
      better: 'lower' as const,
      own: (samples.get(work) ?? []).map((values) => values[index] ?? 0),
      peers: {},
    })),
  );
}

async function writeFileOf(path: string): Promise<void> {
  await using file = await open(path, 'w');
  const block = Buffer.alloc(MIB, 7);
  for (let written = 0; written < FILE_MIB; written++) await file.write(block);
  // What the disk has still to write would hold up leases.
  await file.sync();
}
