import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

/** Answers in the place of the file, once or always. */
export type Misbehaviour = (request: IncomingMessage, response: ServerResponse) => void;

export interface Mirror {
  readonly url: string;
  readonly files: Map<string, Buffer>;
  /** By path; asked before the files. Returns false to go on with those. */
  readonly bad: Map<string, Misbehaviour>;
  /** `GET /path bytes=…`, in order. */
  readonly asked: string[];
}

/** A web server as vendors' mirrors are: ETag, Range, If-Range; and whatever is wrong with it. */
export async function startMirror(
  t: Test,
  files: Readonly<Record<string, string | Buffer>> = {},
): Promise<Mirror> {
  const held = new Map(Object.entries(files).map(([path, content]) => [path, Buffer.from(content)]));
  const bad = new Map<string, Misbehaviour>();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const { range } = request.headers;
    asked.push(`${request.method} ${path}${range === undefined ? '' : ` ${range}`}`);
    response.on('error', () => undefined);
    const misbehave = bad.get(path);
    if (misbehave !== undefined) return misbehave(request, response);
    serve(held.get(path), request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, files: held, bad, asked };
}

export function etagOf(content: Buffer): string {
  return `"${createHash('sha256').update(content).digest('hex').slice(0, 16)}"`;
}

/** As nginx does it. */
export function serve(content: Buffer | undefined, request: IncomingMessage, response: ServerResponse): void {
  if (content === undefined) return void response.writeHead(404).end('not here');
  const etag = etagOf(content);
  const [, start] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
  const resumes = start !== undefined && (request.headers['if-range'] ?? etag) === etag;
  if (resumes && Number(start) >= content.length) {
    return void response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
  }
  const from = resumes ? Number(start) : 0;
  response.writeHead(resumes ? 206 : 200, {
    etag,
    'content-length': content.length - from,
    ...(resumes ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : content.subarray(from));
}
