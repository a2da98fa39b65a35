import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const MIB = 1024 * 1024;
const FILE_BYTES = 200 * MIB;
const CONNECTIONS = 64;
const SECONDS = 4;
const ROUNDS = 5;

const supportFile = (name: string): string => fileURLToPath(new URL(`support/${name}`, import.meta.url));

/**
 * 200 MB × 64 connections beside nginx with sendfile (one worker process, as ours is one), interleaved in one run,
 * medians; and what our process weighs at rest, with the file held, and under 1 and 64 downloads, from memory and
 * from disk. Needs nginx. Prints its findings; resolves to the ratio of bytes per second, ours over nginx's.
 */
export async function run(): Promise<{ readonly ratio: number }> {
  const dir = await mkdtemp(join(tmpdir(), 'tinderbox-bench-http-'));
  const running: ChildProcess[] = [];
  try {
    await writeRandomFile(join(dir, 'image'));
    const nginxPort = await freePort();
    running.push(await startNginx(dir, nginxPort));
    const ours = await startOurs(dir, 256 * MIB, running);
    const fromDisk = await startOurs(dir, 0, running);
    const peers = [
      { name: 'tinderbox', port: ours.port, path: '/assets/image' },
      { name: 'nginx', port: nginxPort, path: '/image' },
      { name: 'tinderbox, file not held', port: fromDisk.port, path: '/assets/image' },
    ];
    const atRest = await ours.usage();
    const diskAtRest = await fromDisk.usage();

    const speeds = new Map<string, number[]>(peers.map(({ name }) => [name, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const peer of peers) speeds.get(peer.name)?.push(await download(peer, CONNECTIONS, SECONDS));
    }
    const medianOf = (name: string): number => median(speeds.get(name) ?? []);
    const nginx = medianOf('nginx');
    console.log(`HTTP: 200 MiB × ${CONNECTIONS} connections, medians of ${ROUNDS} rounds of ${SECONDS} s`);
    for (const { name } of peers) {
      const speed = medianOf(name);
      console.log(
        `  ${name.padEnd(26)} ${(speed / 1e6).toFixed(0).padStart(6)} MB/s  ${(speed / nginx).toFixed(2)} × nginx`,
      );
    }

    await download(peers[0] as (typeof peers)[0], 1, 2);
    const one = await ours.usage();
    const many = await peakDuring(ours, () => download(peers[0] as (typeof peers)[0], CONNECTIONS, SECONDS));
    const disk = await peakDuring(fromDisk, () =>
      download(peers[2] as (typeof peers)[2], CONNECTIONS, SECONDS),
    );
    console.log('  memory (resident):');
    console.log(`    at rest ${mib(atRest.rss)}; with the file held, after 1 download ${mib(one.rss)}`);
    console.log(
      `    peak under ${CONNECTIONS} downloads ${mib(many)}, from disk ${mib(disk)} (at rest ${mib(diskAtRest.rss)})`,
    );
    return { ratio: medianOf('tinderbox') / nginx };
  } finally {
    for (const child of running) {
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    await rm(dir, { recursive: true });
  }
}

interface Ours {
  readonly port: number;
  usage(): Promise<{ readonly rss: number; readonly cpuSeconds: number }>;
}

async function startOurs(assets: string, cacheBytes: number, running: ChildProcess[]): Promise<Ours> {
  const child = spawn(process.execPath, [supportFile('http-server.ts'), assets, String(cacheBytes)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  running.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => JSON.parse(String((await lines.next()).value));
  const { port } = (await next()) as { port: number };
  return {
    port,
    async usage() {
      child.stdin.write('\n');
      return (await next()) as { rss: number; cpuSeconds: number };
    },
  };
}

/** Asks for the resident memory a few times a second while something runs. */
async function peakDuring(ours: Ours, work: () => Promise<unknown>): Promise<number> {
  const working = work().then(() => 'done' as const);
  let peak = 0;
  for (;;) {
    peak = Math.max(peak, (await ours.usage()).rss);
    const pause = new Promise<'again'>((resolve) => void setTimeout(() => resolve('again'), 250));
    if ((await Promise.race([working, pause])) === 'done') return peak;
  }
}

async function startNginx(root: string, port: number): Promise<ChildProcess> {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const config = `worker_processes 1; daemon off; pid ${root}/nginx.pid; error_log ${root}/nginx.log;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on;
  ${paths.map((name) => `${name}_temp_path ${root}/tmp-${name};`).join(' ')}
  server { listen 127.0.0.1:${port}; root ${root}; }
}
`;
  await writeFile(join(root, 'nginx.conf'), config);
  // A worker without root's right to read the folder of mkdtemp (0700) would answer 403.
  const user = process.getuid?.() === 0 ? ['-g', 'user root;'] : [];
  const child = spawn('nginx', ['-e', `${root}/nginx.log`, '-c', `${root}/nginx.conf`, ...user], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  await once(child, 'spawn');
  for (let tries = 0; tries < 100; tries++) {
    if (await answers(port)) return child;
    await new Promise((resolve) => void setTimeout(resolve, 50));
  }
  child.kill('SIGTERM');
  throw new Error(`nginx does not answer; see ${root}/nginx.log`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Bytes per second, by a client in a process of its own. */
async function download(
  peer: { readonly port: number; readonly path: string },
  connections: number,
  seconds: number,
): Promise<number> {
  const args = [supportFile('http-client.ts'), peer.port, peer.path, connections, seconds].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const result = JSON.parse(stdout) as { bytes: number; seconds: number };
  return result.bytes / result.seconds;
}

async function writeRandomFile(path: string): Promise<void> {
  const block = crypto.getRandomValues(new Uint8Array(65_536));
  const file = createWriteStream(path);
  for (let at = 0; at < FILE_BYTES; at += block.length) {
    if (!file.write(block)) await once(file, 'drain');
  }
  file.end();
  await finished(file);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run();
