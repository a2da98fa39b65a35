import { TinderboxError } from '../errors.ts';
import type { DatagramSocket } from '../net/port.ts';
import {
  decodeTftpPacket,
  encodeTftpPacket,
  TftpDecodeError,
  type TftpPacket,
} from '../protocol/tftp/packet.ts';

export interface StormTftpOptions {
  /** Of this machine, on a port of its own. */
  readonly openSocket: () => Promise<DatagramSocket>;
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly blockSize: number;
  readonly windowSize: number;
  /** Milliseconds of silence before the last packet is sent again. EDK2: 4 s (code: PXEBC_MTFTP_TIMEOUT). */
  readonly timeout: number;
  /** EDK2: 6 (code: PXEBC_MTFTP_RETRIES). */
  readonly tries: number;
  readonly signal: AbortSignal;
}

/**
 * Reads a file as EDK2 does, over the codec of this project: a storm's two thousand sockets are too many for the npm
 * client, which keeps a stream, an emitter and copies for each (ADR 0055). A block out of order is answered by the ACK of
 * the last one that was in order (code: Mtftp4RrqHandleData). Throws TinderboxError `unavailable`, `refused`.
 */
export async function readForStorm(options: StormTftpOptions): Promise<Uint8Array> {
  const socket = await options.openSocket();
  try {
    return await new Promise((resolve, reject) => receive(socket, options, resolve, reject));
  } finally {
    socket.close(() => undefined);
  }
}

function receive(
  socket: DatagramSocket,
  options: StormTftpOptions,
  resolve: (file: Uint8Array) => void,
  reject: (error: TinderboxError) => void,
): void {
  const { host, name, timeout, signal } = options;
  const file = createFileBuffer();
  let { blockSize, windowSize } = options;
  let transferPort: number | undefined;
  let expected = 1;
  let inWindow = 0;
  let left = options.tries;
  let last = encodeTftpPacket({
    kind: 'read',
    name,
    mode: 'octet',
    options: new Map([
      ['blksize', String(blockSize)],
      ...(windowSize > 1 ? ([['windowsize', String(windowSize)]] as const) : []),
    ]),
  });

  const end = (done: () => void): void => {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    done();
  };
  const fail = (message: string, code: 'unavailable' | 'refused' = 'unavailable'): void =>
    end(() => reject(new TinderboxError(code, `TFTP ${name}: ${message}`)));
  const onAbort = (): void => fail('the time was over');
  const send = (): void =>
    socket.send(last, transferPort ?? options.port, host, (error) => {
      if (error !== null) fail(error.message);
    });
  const timer = setInterval(() => {
    if (--left <= 0) {
      return fail(
        transferPort === undefined ? 'the server does not answer' : `no block ${expected} in all tries`,
      );
    }
    send();
  }, timeout);
  const acknowledge = (): void => {
    inWindow = 0;
    last = encodeTftpPacket({ kind: 'ack', block: (expected - 1) & 0xffff });
    send();
  };
  const heard = (packet: TftpPacket): void => {
    switch (packet.kind) {
      case 'options-ack':
        if (expected !== 1 || file.bytes().length > 0) return;
        blockSize = Number(packet.options.get('blksize') ?? 512);
        windowSize = Number(packet.options.get('windowsize') ?? 1);
        expected = 1;
        return acknowledge();
      case 'data': {
        if (packet.block !== (expected & 0xffff)) return acknowledge();
        file.add(packet.bytes);
        expected++;
        left = options.tries;
        timer.refresh();
        const isLast = packet.bytes.length < blockSize;
        if (isLast || ++inWindow >= windowSize) acknowledge();
        if (isLast) end(() => resolve(file.bytes()));
        return;
      }
      case 'error':
        return fail(`error ${packet.code}, ${packet.message}`, packet.code === 0 ? 'unavailable' : 'refused');
      case 'read':
      case 'write':
      case 'ack':
        return;
    }
  };

  socket.on('error', (error) => fail(error.message));
  socket.on('message', (bytes, remote) => {
    if (remote.address !== host) return;
    if (transferPort !== undefined && remote.port !== transferPort) return;
    try {
      const packet = decodeTftpPacket(bytes);
      // A server that sends no OACK knows no options: blocks of 512, one at a time (RFC 2347).
      if (transferPort === undefined && packet.kind === 'data') [blockSize, windowSize] = [512, 1];
      transferPort = remote.port;
      heard(packet);
    } catch (error) {
      if (!(error instanceof TftpDecodeError)) throw error;
    }
  });
  if (signal.aborted) return onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  send();
}

/** A loader is smaller, most of the time. */
const FIRST_BYTES = 256 * 1024;

/** One piece of memory a file: a storm's blocks, each in its own, were more to collect than all the rest. */
function createFileBuffer() {
  let memory = Buffer.alloc(0);
  let length = 0;
  return {
    add(bytes: Uint8Array): void {
      if (length + bytes.length > memory.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, memory.length * 2));
        larger.set(memory.subarray(0, length));
        memory = larger;
      }
      memory.set(bytes, length);
      length += bytes.length;
    },
    bytes: () => memory.subarray(0, length),
  };
}
