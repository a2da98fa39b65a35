/*
 * Memory of the whole daemon: at rest, with one download of a large file, and with many. A file that is held counts once,
 * however many read it; more downloads must not add to it.
 */
import { open, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLab, startDaemon } from '../test/interop/support/dhcp-lab.ts';
import type { BenchTable } from './support/bench-table.ts';
import type { HttpLoadOrder } from './support/http-load.ts';
import { memoryOf } from './support/process-costs.ts';

const MIB = 1024 * 1024;
const FILE_MIB = 200;
const ADDRESS = '10.77.0.1';

export interface MemoryBenchOptions {
  readonly rounds?: number;
  readonly quick?: boolean;
}

export async function run({
  quick = false,
  rounds = quick ? 1 : 3,
}: MemoryBenchOptions = {}): Promise<BenchTable> {
  const seconds = quick ? 1 : 4;
  const loads = [
    ...[1, 16, 64, 120].map((connections) => ({ connections, path: '/assets/held', where: 'memory' })),
    ...[1, 64, 120].map((connections) => ({ connections, path: '/assets/other', where: 'disk' })),
  ].filter(({ connections }) => !quick || connections === 16 || connections === 1);
  const samples = new Map<string, number[]>();
  const add = (work: string, value: number): void => {
    samples.set(work, [...(samples.get(work) ?? []), value]);
    process.stderr.write(`memory: ${work}: ${value} MiB\n`);
  };
  for (let round = 0; round < rounds; round++) {
    await using stack = new AsyncDisposableStack();
    const lab = stack.use(await createLab());
    const { namespace } = lab.network;
    const config = `network: { interface: br0 }
dhcp: { mode: server, probe: off, range: 10.77.0.100-10.77.0.200 }
http: { cacheBytes: ${FILE_MIB + 56}MB }
`;
    const daemon = stack.use(await startDaemon(namespace, { config, address: ADDRESS }));
    // The second start finds its sources compiled, as every start after the first does.
    await daemon.stop();
    await daemon.restart();
    for (const name of ['held', 'other']) await writeLargeFile(join(daemon.folder, 'assets', name));
    const pid = await findDaemon(daemon.folder);
    const peakDuring = async (connections: number, path: string): Promise<number> => {
      const order: HttpLoadOrder = { host: [10, 77, 0, 1], port: 80, path, connections, seconds };
      const client = fileURLToPath(new URL('support/http-load.ts', import.meta.url));
      const argv = [process.execPath, client, JSON.stringify(order)];
      const download = namespace.run(argv, { timeout: 60_000 }).then(() => 'done' as const);
      let peak = 0;
      for (;;) {
        peak = Math.max(peak, memoryOf(pid));
        const pause = new Promise<'again'>((resolve) => void setTimeout(() => resolve('again'), 100));
        if ((await Promise.race([download, pause])) === 'done') return peak;
      }
    };
    add('at rest', memoryOf(pid));
    for (const { connections, path, where } of loads) {
      const downloads = `${connections} download${connections === 1 ? '' : 's'}`;
      add(`peak with ${downloads} of ${FILE_MIB} MiB from ${where}`, await peakDuring(connections, path));
    }
  }
  return {
    name: 'memory',
    title: `Memory of the daemon, ${rounds} starts`,
    points: [...samples].map(([work, own]) => ({ work, unit: 'MiB', better: 'lower', own, peers: {} })),
    notes: [
      `Resident memory and the files in memory that it holds. Those from disk come after those from memory: the ${FILE_MIB} MiB are still held.`,
    ],
  };
}

async function writeLargeFile(path: string): Promise<void> {
  await using file = await open(path, 'w');
  const block = Buffer.alloc(MIB, 7);
  for (let written = 0; written < FILE_MIB; written++) await file.write(block);
}

/** By its working folder, which only this daemon has. */
async function findDaemon(folder: string): Promise<number> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const command = await readFile(`/proc/${name}/comm`, 'latin1').catch(() => '');
    const cwd = await readlink(`/proc/${name}/cwd`).catch(() => '');
    if (command.startsWith('tinderbox') && cwd === folder) return Number(name);
  }
  throw new Error('the daemon does not run');
}
