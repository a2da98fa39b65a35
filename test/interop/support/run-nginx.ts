import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NetworkNamespace, stopProcess } from '../../../src/lab/namespace.ts';
import { waitUntil } from './daemon-site.ts';

export interface Nginx extends AsyncDisposable {
  start(): Promise<void>;
  /** SIGKILL to it and its worker, as when the power fails. */
  kill(): Promise<void>;
  /** `GET /assets/x 200`, in the order in which they ended. */
  asked(): readonly string[];
}

export interface NginxOptions {
  readonly namespace: NetworkNamespace;
  readonly root: string;
  /** `10.77.0.5:80` */
  readonly listen: string;
  /** Lines of its `server` block. */
  readonly more?: string;
}

/** A plain web server in a namespace, with a log of its own. Not started yet. */
export async function createNginx({ namespace, root, listen, more = '' }: NginxOptions): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-nginx-'));
  const config = join(folder, 'nginx.conf');
  // One process: what is killed is gone as a whole.
  await writeFile(
    config,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events {}
http {
  log_format short '$request_method $uri $status'; access_log ${folder}/access.log short;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server { listen ${listen}; root ${root}; ${more} }
}
`,
  );
  let running: ChildProcess | undefined;
  const nginx: Nginx = {
    async start() {
      const child = namespace.spawn(['nginx', '-e', `${folder}/error.log`, '-c', config], {
        stdio: 'inherit',
      });
      running = child;
      await waitUntil('nginx listens', async () => {
        if (child.exitCode !== null) throw new Error(readFileSync(`${folder}/error.log`, 'utf8'));
        const output = await namespace.run(['sh', '-c', `ss -Hltn 'src ${listen}'`]);
        return output.trim() !== '';
      });
    },
    async kill() {
      const child = running;
      running = undefined;
      if (child === undefined || child.exitCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    },
    asked: () =>
      readFileSync(join(folder, 'access.log'), 'utf8')
        .split('\n')
        .filter((line) => line !== ''),
    async [Symbol.asyncDispose]() {
      if (running !== undefined) await stopProcess(running);
      await rm(folder, { recursive: true, force: true });
    },
  };
  return nginx;
}
