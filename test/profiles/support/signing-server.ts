import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/** An authority made and run by OpenSSL alone, so that nothing of ours is tested against itself. */
export interface OpensslAuthority {
  readonly certificate: string;
  /** Signs a request as it is; `from` and `until` as `openssl ca` takes them: YYYYMMDDHHMMSSZ. */
  sign(request: string, dates?: { readonly from: string; readonly until: string }): string;
}

export function makeAuthority(folder: string, name: string): OpensslAuthority {
  const place = join(folder, name);
  mkdirSync(place);
  const file = (base: string) => join(place, base);
  openssl(
    `req -x509 -newkey rsa:2048 -noenc -days 30 -subj /CN=${name} -keyout ${file('ca.key')} -out ${file('ca.crt')}`,
  );
  writeFileSync(
    file('ca.cnf'),
    [
      '[ca]\ndefault_ca = a\n[a]',
      `database = ${file('index')}\nnew_certs_dir = ${place}\nrand_serial = yes`,
      `certificate = ${file('ca.crt')}\nprivate_key = ${file('ca.key')}`,
      'default_md = sha256\ndefault_days = 1\npolicy = any\ncopy_extensions = copy\nunique_subject = no',
      '[any]\nO = optional\nCN = supplied\n',
    ].join('\n'),
  );
  writeFileSync(file('index'), '');
  return {
    certificate: openssl(`x509 -in ${file('ca.crt')}`),
    sign: (request, dates) => {
      writeFileSync(file('request.pem'), request);
      const between = dates === undefined ? '' : ` -startdate ${dates.from} -enddate ${dates.until}`;
      const files = `-in ${file('request.pem')} -out ${file('signed.crt')}`;
      openssl(`ca -batch -notext -config ${file('ca.cnf')} ${files}${between}`);
      return openssl(`x509 -in ${file('signed.crt')}`);
    },
  };
}

/** A command line without quotes; its output. Throws where it fails. */
export function openssl(command: string): string {
  return execFileSync('openssl', command.split(' '), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

export interface Post {
  readonly path: string;
  readonly contentType: string;
  readonly body: string;
}

/** Answers to one request after the other; the last one holds for all that follow. */
export type Answer = (post: Post, response: ServerResponse) => void;

export interface SigningServer {
  readonly url: string;
  /** Everything that was asked, reports included. */
  readonly posts: readonly Post[];
  close(): Promise<void>;
}

/** What /boot/<session>/ answers: reports with 204, all else as told. */
export async function startSigningServer(answers: readonly Answer[]): Promise<SigningServer> {
  const posts: Post[] = [];
  let asked = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const post = {
      path: request.url ?? '',
      contentType: request.headers['content-type'] ?? '',
      body: Buffer.concat(chunks).toString(),
    };
    posts.push(post);
    if (post.path.endsWith('/report')) {
      response.writeHead(204).end();
      return;
    }
    answers[Math.min(asked++, answers.length - 1)]?.(post, response);
  };
  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    posts,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
