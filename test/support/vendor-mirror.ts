import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readCleartextMessage } from 'openpgp';
import { layOut, type MirrorOptions } from './vendor-layouts.ts';
import { makeSigner, type Signer } from './vendor-signer.ts';

/** What a mirror does to a path instead of answering it. `cut` closes the connection after half of the content. */
export type MirrorFault =
  | 'missing'
  | 'cut'
  | 'tampered'
  | 'stalled'
  | 'endless'
  | 'broken'
  | { readonly redirect: string };

/** All vendors' layouts below one URL, with small stand-ins for their files, signed with a key made for this test. */
export interface VendorMirror extends AsyncDisposable {
  /** Without a slash at its end: for `--mirror`. Flatcar's channels, GitHub's owners and the rest lie below it. */
  readonly url: string;
  /** What signs everything; its primary key's fingerprint is what an operator would confirm. */
  readonly signer: Signer;
  /** By path below the URL, with a slash at its front. Changes are served at once. */
  readonly files: Map<string, Buffer>;
  /** By path. */
  readonly faults: Map<string, MirrorFault>;
  /** `GET /path`, or `GET /path bytes=100-`, in their order. */
  readonly asked: readonly string[];
  /** Signs anew what `path` has, a detached signature or a clear-signed text, with a key that nobody knows. */
  signWrongly(path: string): Promise<void>;
}

export async function startVendorMirror(options: MirrorOptions = {}): Promise<VendorMirror> {
  const signer = await makeSigner();
  const files = await layOut(signer, options);
  const faults = new Map<string, MirrorFault>();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://mirror').pathname);
    const { range } = request.headers;
    asked.push(`${request.method} ${path}${range === undefined ? '' : ` ${range}`}`);
    answer(request, response, { content: files.get(path), fault: faults.get(path) });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    signer,
    files,
    faults,
    asked,
    async signWrongly(path) {
      const stranger = await makeSigner('Stranger <stranger@example.org>');
      const content = files.get(path);
      if (content === undefined) throw new Error(`the mirror has no ${path}`);
      if (content.toString('latin1').startsWith('-----BEGIN PGP SIGNED MESSAGE')) {
        const message = await readCleartextMessage({ cleartextMessage: content.toString() });
        files.set(path, await stranger.clear(message.getText()));
        return;
      }
      const signed = files.get(path.replace(/\.(sig|gpg)$/, ''));
      if (signed === undefined || !/\.(sig|gpg)$/.test(path)) throw new Error(`${path} is no signature`);
      files.set(path, await stranger.detached(signed, path.endsWith('.gpg') ? 'armored' : 'binary'));
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { content, fault }: { readonly content: Buffer | undefined; readonly fault: MirrorFault | undefined },
): void {
  if (typeof fault === 'object') {
    response.writeHead(302, { location: fault.redirect }).end();
    return;
  }
  if (fault === 'broken') {
    response.writeHead(500).end('broken');
    return;
  }
  if (content === undefined || fault === 'missing') {
    response.writeHead(404, { 'content-type': 'text/html' }).end('<html>404 Not Found</html>');
    return;
  }
  if (fault === 'endless') {
    response.writeHead(200);
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, 'x'))) {
        // until its buffer is full
      }
    };
    response.on('drain', more);
    more();
    return;
  }
  const body = fault === 'tampered' ? tamper(content) : content;
  const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (from > 0 && from >= body.length) {
    response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end();
    return;
  }
  const part = body.subarray(from);
  response.writeHead(from > 0 ? 206 : 200, {
    'content-length': part.length,
    'accept-ranges': 'bytes',
    etag: `"${body.length}-${body.subarray(0, 16).toString('hex')}"`,
    ...(from > 0 && { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` }),
  });
  if (request.method === 'HEAD') {
    response.end();
  } else if (fault === 'cut') {
    response.write(part.subarray(0, Math.ceil(part.length / 2)), () => response.destroy());
  } else if (fault === 'stalled') {
    response.write(part.subarray(0, Math.ceil(part.length / 2)));
  } else {
    response.end(part);
  }
}

/** One bit, in the middle. */
function tamper(content: Buffer): Buffer {
  const copy = Buffer.from(content);
  const middle = Math.floor(copy.length / 2);
  copy[middle] = (copy[middle] ?? 0) ^ 1;
  return copy;
}
