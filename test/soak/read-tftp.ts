import { once } from 'node:events';
import { TinderboxError } from '../../src/errors.ts';
import type { ReadTftpFile } from '../../src/lab/virtual-client.ts';
import { openUdpSocket } from '../../src/net/open-udp-socket.ts';
import { decodeTftpPacket, encodeTftpPacket, type TftpPacket } from '../../src/protocol/tftp/packet.ts';

/** Milliseconds without a packet after which what was said last is said again. */
const AGAIN = 3_000;

/**
 * Reads a file in lock step as firmware does: whatever comes twice is acknowledged twice. The npm package that other
 * tests read with ends a transfer at a second OACK, which any busy host brings about.
 */
export const readTftp: ReadTftpFile = async (host, port, name, { blockSize = 1468, timeout = 60_000 }) => {
  const socket = await openUdpSocket({ port: 0 });
  const options = new Map([
    ['tsize', '0'],
    ['blksize', String(blockSize)],
  ]);
  const blocks: Uint8Array[] = [];
  let size = 512;
  let server = port;
  let said: TftpPacket = { kind: 'read', name, mode: 'octet', options };
  const failed = (why: string): TinderboxError => new TinderboxError('unavailable', `TFTP ${name}: ${why}`);
  const silent = new AbortController();
  let heardAt = performance.now();
  const speak = (): void => socket.send(encodeTftpPacket(said), server, host);
  const again = setInterval(() => {
    if (performance.now() - heardAt > timeout) silent.abort();
    else speak();
  }, AGAIN);
  try {
    speak();
    for (;;) {
      const [bytes, remote] = (await once(socket, 'message', { signal: silent.signal }).catch(() => {
        throw failed('the server does not answer');
      })) as [Uint8Array, { readonly port: number }];
      if (server !== port && remote.port !== server) continue;
      const packet = decodeTftpPacket(bytes);
      if (packet.kind === 'error') throw failed(packet.message);
      server = remote.port;
      heardAt = performance.now();
      if (packet.kind === 'options-ack' && blocks.length === 0) {
        size = Number(packet.options.get('blksize') ?? 512);
        said = { kind: 'ack', block: 0 };
      } else if (packet.kind === 'data') {
        if (packet.block === ((blocks.length + 1) & 0xffff)) {
          blocks.push(packet.bytes);
          said = { kind: 'ack', block: packet.block };
        }
      } else continue;
      speak();
      if (packet.kind === 'data' && packet.bytes.length < size && packet.bytes === blocks.at(-1)) {
        return Buffer.concat(blocks);
      }
    }
  } finally {
    clearInterval(again);
    socket.close();
  }
};
