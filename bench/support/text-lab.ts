import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  addBridge,
  addVethPair,
  createNamespace,
  joinBridge,
  type NetworkNamespace,
  stopProcess,
} from '../../src/lab/namespace.ts';
import { DAEMON_FLAGS } from './daemon-flags.ts';
import { cpuSecondsOf } from './process-costs.ts';
import type { TextLoadOrder, TextLoadResult } from './text-load.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LOAD = fileURLToPath(new URL('text-load.ts', import.meta.url));
const SERVER = '10.77.0.1';
const NGINX_PORT = 8081;

export interface TextServer {
  readonly port: number;
  /** Processor time of the whole process so far. */
  cpuSeconds(): number;
}

export interface TextDaemon extends TextServer, AsyncDisposable {
  readonly folder: string;
  readonly pid: number;
}

export type LoadResult = TextLoadResult & { readonly serverCpuSeconds: number };

/** A network namespace with nginx and as many daemons as are started, all asked from addresses of its own. */
export interface TextLab extends AsyncDisposable {
  readonly nginx: TextServer;
  /** The whole daemon with the shipped role `worker`. */
  startDaemon(options: {
    readonly port: number;
    readonly machines: number;
    readonly delivery: 'csr' | 'issued';
  }): Promise<TextDaemon>;
  load(server: TextServer, order: Omit<TextLoadOrder, 'host' | 'port'>): Promise<LoadResult>;
  /** A folder for what load is to read and write. */
  readonly folder: string;
}

/** The n-th machine's. */
export function macOf(index: number): string {
  const hex = index.toString(16).padStart(6, '0');
  return `52:54:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4)}`;
}

/** Needs root or root inside a user namespace, and nginx. */
export async function createTextLab(): Promise<TextLab> {
  await using stack = new AsyncDisposableStack();
  const namespace = stack.use(await createNamespace('texts'));
  await addBridge(namespace, 'br0', `${SERVER}/16`);
  await addVethPair({ namespace, name: 'port0' }, { namespace, name: 'eth0' });
  await joinBridge(namespace, 'port0', 'br0');
  // Every address of a machine is one of this host.
  await namespace.run(['ip', 'route', 'add', 'local', '10.77.16.0/20', 'dev', 'lo']);
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-bench-texts-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const nginx = await startNginx(namespace, folder);
  const kept = stack.move();
  return {
    nginx,
    folder,
    async startDaemon({ port, machines, delivery }) {
      return startDaemon(namespace, { port, machines, delivery, folder: join(folder, `daemon-${port}`) });
    },
    async load(server, order) {
      const whole: TextLoadOrder = { ...order, host: SERVER, port: server.port };
      const before = server.cpuSeconds();
      const text = await namespace.run([process.execPath, LOAD, JSON.stringify(whole)], { timeout: 120_000 });
      const serverCpuSeconds = server.cpuSeconds() - before;
      return { ...(JSON.parse(text) as TextLoadResult), serverCpuSeconds };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function startNginx(namespace: NetworkNamespace, folder: string): Promise<TextServer> {
  const root = join(folder, 'nginx');
  await mkdir(root);
  await writeFile(join(root, '4k'), Buffer.alloc(4096, 'a line of text\n'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${root}/tmp-${name};`)
    .join(' ');
  await writeFile(
    join(root, 'nginx.conf'),
    `worker_processes 1; daemon off; master_process off; pid ${root}/pid; error_log ${root}/log;
events { worker_connections 1024; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=10; ${temporary}
  server { listen ${SERVER}:${NGINX_PORT}; root ${root}; } }
`,
  );
  const user = process.getuid?.() === 0 ? ['-g', 'user root;'] : [];
  const child = namespace.spawn(['nginx', '-e', `${root}/log`, '-c', `${root}/nginx.conf`, ...user]);
  await untilServing(namespace, `http://${SERVER}:${NGINX_PORT}/4k`, child, () =>
    readFileSync(join(root, 'log'), 'utf8'),
  );
  return { port: NGINX_PORT, cpuSeconds: () => cpuSecondsOf(child.pid as number) };
}

async function startDaemon(
  namespace: NetworkNamespace,
  options: {
    readonly port: number;
    readonly machines: number;
    readonly delivery: string;
    readonly folder: string;
  },
): Promise<TextDaemon> {
  const { port, machines, delivery, folder } = options;
  for (const part of ['worker', 'partials'])
    await cp(join(ROOT, 'profiles', part), join(folder, 'profiles', part), { recursive: true });
  const role = join(folder, 'profiles/worker/role.yaml');
  const text = readFileSync(role, 'utf8');
  const issued = text.replace('credentials: { ', `credentials: { delivery: ${delivery}, `);
  if (issued === text) throw new Error('the role worker has no credentials');
  const entries = Array.from(
    { length: machines },
    (_, at) => `  ${macOf(at)}: { role: worker, address: 10.77.${64 + (at >> 8)}.${at & 255} }\n`,
  );
  const files: Readonly<Record<string, string>> = {
    'tinderbox.yaml': `network: { interface: br0 }
dhcp: { mode: off }
tftp: { port: ${port + 1} }
syslog: { port: off }
http: { port: ${port} }
admin: { listen: 127.0.0.1:${port + 2} }
cluster: { apiServer: 'https://${SERVER}:6443' }
paths: { profiles: ./profiles, assets: ./assets, state: ./var }
`,
    'profiles/worker/role.yaml': issued,
    'profiles/machines.yaml': `machines:\n${entries.join('')}default: none\n`,
  };
  await mkdir(join(folder, 'assets/flatcar'), { recursive: true });
  for (const name of ['flatcar_production_pxe.vmlinuz', 'flatcar_production_pxe_image.cpio.gz'])
    await writeFile(join(folder, 'assets/flatcar', name), Buffer.alloc(65_536, 1));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  let said = '';
  const child = namespace.spawn([...programOf(port), 'serve', '--config', join(folder, 'tinderbox.yaml')], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-20_000);
    });
  }
  await untilServing(namespace, `http://${SERVER}:${port}/healthz`, child, () => said);
  return {
    port,
    folder,
    pid: child.pid ?? 0,
    cpuSeconds: () => cpuSecondsOf(child.pid as number),
    async [Symbol.asyncDispose]() {
      await stopProcess(child, 20_000);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** As users start it. With TINDERBOX_BENCH_PROFILE a folder that gets what `--cpu-prof` saw of each. */
function programOf(port: number): readonly string[] {
  const profiles = process.env['TINDERBOX_BENCH_PROFILE'];
  if (profiles === undefined) return [join(ROOT, 'bin/tinderbox')];
  const flags = ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=daemon-${port}.cpuprofile`];
  return [process.execPath, ...flags, ...DAEMON_FLAGS, join(ROOT, 'src/main.ts')];
}

async function untilServing(
  namespace: NetworkNamespace,
  url: string,
  child: ChildProcess,
  log: () => string,
): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (child.exitCode !== null) throw new Error(`it ended: ${log()}`);
    const argv = ['curl', '--silent', '--fail', '--max-time', '5', '--output', '/dev/null', url];
    if (
      await namespace.run(argv).then(
        () => true,
        () => false,
      )
    )
      return;
    await delay(100);
  }
  throw new Error(`${url} does not answer: ${log()}`);
}
