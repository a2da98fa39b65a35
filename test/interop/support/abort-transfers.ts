/*
 * TFTP clients that go away: argv is how many and the file's name. In turn: right after the request, after the options
 * were answered, after twenty blocks. Their ports are closed, so that the server hears ICMP's "unreachable". Prints how
 * many were begun.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const [count = '0', name = ''] = process.argv.slice(2);
const BLOCKS = 20;

async function abort(index: number): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  socket.bind(0);
  await once(socket, 'listening');
  const options = index % 3 === 0 ? [] : ['blksize', '512', 'tsize', '0'];
  const request = [name, 'octet', ...options].map((text) => `${text}\0`).join('');
  socket.send(Buffer.concat([Buffer.from([0, 1]), Buffer.from(request)]), 69, '10.77.0.1');
  const patience = AbortSignal.timeout(5000);
  const heard = [0, 1, BLOCKS][index % 3] ?? 0;
  for (let block = 0; block < heard; block++) {
    const [, from] = (await once(socket, 'message', { signal: patience }).catch(() => [])) as [
      Buffer?,
      { port: number }?,
    ];
    if (from === undefined) break;
    if (index % 3 === 2) socket.send(Buffer.from([0, 4, 0, block]), from.port, '10.77.0.1');
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  socket.close();
}

const all = Array.from({ length: Number(count) }, (_, index) => abort(index));
await Promise.all(all);
console.log(all.length);
