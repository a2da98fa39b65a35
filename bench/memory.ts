/*
 * Resident memory of the whole daemon: at rest, with one download of a large file, and with 64. A file that is held
 * in memory counts once, however many read it; more downloads must not add to it.
 */
import { open, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLab, startDaemon } from '../test/interop/support/dhcp-lab.ts';

const MIB = 1024 * 1024;
const FILE_MIB = 200;
const SECONDS = 4;
const ADDRESS = '10.77.0.1';

export interface MemoryResult {
  /** All in MiB. */
  readonly atRest: number;
  readonly oneDownload: number;
  readonly manyDownloads: number;
}

export async function run(
  write: (text: string) => void = (text) => process.stdout.write(text),
): Promise<MemoryResult> {
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(await createLab());
  const { namespace } = lab.network;
  const config = `network: { interface: br0 }
dhcp: { mode: server, probe: off, range: 10.77.0.100-10.77.0.200 }
`;
  const daemon = stack.use(await startDaemon(namespace, { config, address: ADDRESS }));
  // The second start finds its sources compiled, as every start after the first does.
  await daemon.stop();
  await daemon.restart();
  await writeLargeFile(join(daemon.folder, 'assets/image'));
  const pid = await findDaemon(daemon.folder);
  const client = fileURLToPath(new URL('support/http-client.ts', import.meta.url));
  const peakDuring = async (connections: number): Promise<number> => {
    const argv = [
      process.execPath,
      client,
      '80',
      '/assets/image',
      String(connections),
      String(SECONDS),
      ADDRESS,
    ];
    const download = namespace.run(argv, { timeout: 60_000 }).then(() => 'done' as const);
    let peak = 0;
    for (;;) {
      peak = Math.max(peak, await residentMib(pid));
      const pause = new Promise<'again'>((resolve) => void setTimeout(() => resolve('again'), 100));
      if ((await Promise.race([download, pause])) === 'done') return peak;
    }
  };

  const atRest = await residentMib(pid);
  const oneDownload = await peakDuring(1);
  const manyDownloads = await peakDuring(64);
  write('Memory of the daemon, resident\n');
  write(`  at rest                                  ${atRest} MiB\n`);
  write(`  peak with 1 download of ${FILE_MIB} MiB          ${oneDownload} MiB\n`);
  write(`  peak with 64 downloads of the same file  ${manyDownloads} MiB\n`);
  return { atRest, oneDownload, manyDownloads };
}

async function writeLargeFile(path: string): Promise<void> {
  await using file = await open(path, 'w');
  const block = crypto.getRandomValues(new Uint8Array(65_536));
  const many = Buffer.concat(Array.from({ length: 16 }, () => block));
  for (let written = 0; written < FILE_MIB * MIB; written += many.length) await file.write(many);
}

async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024);
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

if (import.meta.main) await run();
