import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Nginx extends AsyncDisposable {
  readonly pid: number;
  /** Those that serve. */
  workers(): Promise<readonly number[]>;
}

/**
 * nginx with sendfile as its documentation recommends it for large files, and everything else (sendfile_max_chunk) by
 * default. Throws if it does not come up.
 */
export async function startNginx(root: string, port: number, workers: number): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-nginx-'));
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const config = `worker_processes ${workers}; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on;
  ${paths.map((name) => `${name}_temp_path ${folder}/tmp-${name};`).join(' ')}
  server { listen 127.0.0.1:${port}; root ${root}; }
}
`;
  await writeFile(join(folder, 'nginx.conf'), config);
  // A worker without root's right to read the folder of mkdtemp (0700) would answer 403.
  const user = process.getuid?.() === 0 ? ['-g', 'user root;'] : [];
  const child = spawn('nginx', ['-e', `${folder}/nginx.log`, '-c', `${folder}/nginx.conf`, ...user], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const exited = once(child, 'exit');
  await once(child, 'spawn');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    await rm(folder, { recursive: true });
  };
  for (let tries = 0; !(await answers(port)); tries++) {
    if (tries === 100) {
      const log = await readFile(`${folder}/nginx.log`, 'utf8');
      await stop();
      throw new Error(`nginx does not answer: ${log}`);
    }
    await new Promise((resolve) => void setTimeout(resolve, 50));
  }
  const pid = child.pid as number;
  return { pid, workers: () => childrenOf(pid), [Symbol.asyncDispose]: stop };
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => '');
    if (Number(stat.split(') ')[1]?.split(' ')[1]) === pid) found.push(Number(name));
  }
  return found;
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
