import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { type Ipv4, parseIpv4 } from '../../../src/machine/ipv4.ts';
import type { Mac } from '../../../src/machine/mac.ts';
import { openUdpDescriptor, openUdpSocket } from '../../../src/net/open-udp-socket.ts';
import type { OpenUdpDescriptor, OpenUdpSocket } from '../../../src/net/port.ts';
import { decodeTftpPacket, encodeTftpPacket, type TftpPacket } from '../../../src/protocol/tftp/packet.ts';
import type { SeenDatagram } from '../../../src/servers/port.ts';
import { startTftpServer } from '../../../src/servers/tftp.ts';
import type { TftpLookup } from '../../../src/servers/tftp-files.ts';
import type { TransferThreadOptions } from '../../../src/servers/tftp-thread.ts';
import { startTftpThread } from '../../../src/start-tftp-thread.ts';
import type { Observation } from '../../../src/store/port.ts';

export const LOCALHOST = parseIpv4('127.0.0.1') as Ipv4;
export const KNOWN_MAC = '52:54:00:12:34:56' as Mac;

/** Where transfers run unless a test says: a file that imports another's tests has them run elsewhere. */
export const defaults: { carrier: 'thread' | 'main' } = { carrier: 'thread' };

export interface HarnessOptions {
  readonly carrier?: 'thread' | 'main';
  readonly startWorker?: TransferThreadOptions['startWorker'];
  readonly openDescriptor?: OpenUdpDescriptor;
  readonly files?: Readonly<Record<string, Uint8Array>>;
  readonly lookup?: TftpLookup;
  readonly maxTransfers?: number;
  readonly mtu?: number;
  readonly addresses?: readonly Ipv4[];
  readonly openSocket?: OpenUdpSocket;
  /** Frozen: nothing is ever sent by a timer. A number: so many times faster than the wall's. */
  readonly pace?: 'frozen' | number;
}

/** A server on loopback, with a journal that can be read. */
export async function startHarness(options: HarnessOptions = {}) {
  const observations: Observation[] = [];
  const seen: SeenDatagram[] = [];
  const counters = new Map<string, number>();
  const pace = options.pace ?? 1;
  const files = options.files ?? {};
  const monotonic = pace === 'frozen' ? () => 0 : () => performance.now() * pace;
  const count = (name: string, times = 1): void => void counters.set(name, (counters.get(name) ?? 0) + times);
  const thread =
    (options.carrier ?? defaults.carrier) === 'main'
      ? undefined
      : startTftpThread({
          openDescriptor: options.openDescriptor ?? openUdpDescriptor,
          logger: pino({ level: 'silent' }),
          onIgnored: (times) => count('tftp.ignored', times),
          onSendFailed: (times) => count('tftp.send-failed', times),
          now: monotonic,
          pace: pace === 'frozen' ? 0 : pace,
          ...(options.startWorker !== undefined && { startWorker: options.startWorker }),
        });
  const server = await startTftpServer({
    thread,
    addresses: options.addresses ?? [LOCALHOST],
    port: 0,
    mtu: options.mtu ?? 1500,
    maxTransfers: options.maxTransfers ?? 512,
    openSocket: options.openSocket ?? openUdpSocket,
    lookup:
      options.lookup ??
      (async (name) => {
        const bytes = files[name];
        if (bytes === undefined) return { refused: 'no such file', missing: true };
        return { file: { bytes, kind: 'loader' as const, name, path: `/test/${name}` } };
      }),
    logger: pino({ level: 'silent' }),
    journal: {
      record: (observation) => {
        observations.push(observation);
        return undefined;
      },
      macAt: (address) => (address === LOCALHOST ? KNOWN_MAC : undefined),
      count,
    },
    recorder: { record: (datagram) => void seen.push(datagram) },
    via: 'lo',
    clock: {
      now: () => 1_700_000_000_000,
      monotonic,
    },
  });
  return {
    server,
    port: server.port,
    observations,
    /** What the recorder was shown. */
    seen,
    counters,
    stop: async (): Promise<void> => {
      await server.stop({ graceMs: 0 });
      await thread?.thread.stop();
    },
    /** Waits, within bounds, until it is so. */
    async until(what: string, condition: () => boolean): Promise<void> {
      for (let attempt = 0; attempt < 1000 && !condition(); attempt++) await delay(10);
      if (!condition()) throw new Error(`never happened: ${what}`);
    },
  };
}

export interface Heard {
  readonly packet: TftpPacket;
  readonly from: RemoteInfo;
}

export type RawClient = Awaited<ReturnType<typeof createRawClient>>;

/** A client that sends what it is told, and hands out what comes in the order in which it came. */
export async function createRawClient(serverPort: number, address = '127.0.0.1', local = '127.0.0.1') {
  const socket = createSocket('udp4');
  socket.bind(0, local);
  await once(socket, 'listening');
  const heard: Heard[] = [];
  let wake: (() => void) | undefined;
  socket.on('message', (bytes, from) => {
    heard.push({ packet: decodeTftpPacket(bytes), from });
    wake?.();
  });
  const send = (packet: TftpPacket | Uint8Array, port: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const bytes = packet instanceof Uint8Array ? packet : encodeTftpPacket(packet);
      socket.send(bytes, port, address, (error) => (error ? reject(error) : resolve()));
    });
  return {
    port: socket.address().port,
    send,
    ask: (name: string, options: Readonly<Record<string, string>> = {}, mode = 'octet') =>
      send({ kind: 'read', name, mode, options: new Map(Object.entries(options)) }, serverPort),
    ack: (block: number, port: number) => send({ kind: 'ack', block }, port),
    async next(): Promise<Heard> {
      while (heard.length === 0) {
        await new Promise<void>((resolve, reject) => {
          const timer = setTimeout(() => reject(new Error('nothing came within 10 s')), 10_000);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      return heard.shift() as Heard;
    },
    /** What came and was not taken. */
    waiting: () => heard.length,
    close: () => socket.close(),
  };
}

/** Reads a whole file in lock step or windows. Acknowledges each block that it does not expect, as EDK2 does. */
export async function readWith(
  client: RawClient,
  name: string,
  options: Readonly<Record<string, string>> = {},
): Promise<Buffer> {
  await client.ask(name, options);
  const chunks: Uint8Array[] = [];
  let blockSize = 512;
  let windowSize = 1;
  let expected = 1;
  let inWindow = 0;
  for (;;) {
    const { packet, from } = await client.next();
    if (packet.kind === 'error') throw new Error(`error ${packet.code}: ${packet.message}`);
    if (packet.kind === 'options-ack') {
      blockSize = Number(packet.options.get('blksize') ?? 512);
      windowSize = Number(packet.options.get('windowsize') ?? 1);
      await client.ack(0, from.port);
    }
    if (packet.kind !== 'data') continue;
    const expectedBlock = packet.block === (expected & 0xffff);
    if (expectedBlock) {
      chunks.push(packet.bytes);
      expected++;
      inWindow++;
    }
    const last = expectedBlock && packet.bytes.length < blockSize;
    if (last || !expectedBlock || inWindow === windowSize) {
      inWindow = 0;
      await client.ack((expected - 1) & 0xffff, from.port);
    }
    if (last) return Buffer.concat(chunks);
  }
}
