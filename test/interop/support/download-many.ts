/*
 * Downloads again and again until it is told to stop (SIGTERM), some at a time, by HTTP whole, by HTTP in two parts with
 * If-Range, and by TFTP, and prints what came of each: `http|range|tftp`, and the SHA-256 of what was whole or `error`.
 * argv is the URL and the name for TFTP.
 */
import { createHash } from 'node:crypto';
import { readTftpFile } from '../../../src/lab/tftp-client.ts';

const [url = '', name = ''] = process.argv.slice(2);
const AT_ONCE = 3;
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());

async function whole(headers: Record<string, string> = {}) {
  const answer = await fetch(url, { headers, signal: AbortSignal.timeout(30_000) });
  if (!answer.ok) throw new Error(String(answer.status));
  return { answer, bytes: Buffer.from(await answer.arrayBuffer()) };
}

/** As a client whose connection broke. */
async function inParts(): Promise<Buffer> {
  const first = await whole({ range: 'bytes=0-99999' });
  if (first.answer.status !== 206) return first.bytes;
  const etag = first.answer.headers.get('etag') ?? '';
  const rest = await whole({ range: 'bytes=100000-', 'if-range': etag });
  return rest.answer.status === 206 ? Buffer.concat([first.bytes, rest.bytes]) : rest.bytes;
}

const ways = {
  http: async () => (await whole()).bytes,
  range: inParts,
  tftp: async () => Buffer.from(await readTftpFile('10.77.0.1', 69, name, { windowSize: 16 })),
};

async function again(way: keyof typeof ways): Promise<void> {
  while (!stop.signal.aborted) {
    const got = await ways[way]().then(
      (bytes) => createHash('sha256').update(bytes).digest('hex'),
      () => 'error',
    );
    console.log(`${way} ${got}`);
  }
}
await Promise.all(
  (['http', 'range', 'tftp'] as const).flatMap((way) => Array.from({ length: AT_ONCE }, () => again(way))),
);
