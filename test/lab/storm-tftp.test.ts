import { EventEmitter } from 'node:events';
import t from 'tap';
import { readForStorm, type StormTftpOptions } from '../../src/lab/storm-tftp.ts';
import type { DatagramSocket } from '../../src/net/port.ts';
import { decodeTftpPacket, encodeTftpPacket, type TftpPacket } from '../../src/protocol/tftp/packet.ts';

const HOST = '10.77.0.1';

interface Setup extends Partial<StormTftpOptions> {
  /** What the server sends on each packet that it hears. */
  readonly answer: (heard: TftpPacket, nth: number) => readonly TftpPacket[];
}

async function read({ answer, ...more }: Setup) {
  const heard: TftpPacket[] = [];
  const to: number[] = [];
  const socket = Object.assign(new EventEmitter(), {
    send(bytes: Uint8Array, port: number, _host: string, done: (error: null) => void) {
      const packet = decodeTftpPacket(bytes);
      heard.push(packet);
      to.push(port);
      done(null);
      const answers = answer(packet, heard.length);
      setImmediate(() => {
        for (const one of answers)
          socket.emit('message', encodeTftpPacket(one), { address: HOST, port: 2000 });
      });
    },
    close: (done: () => void) => done(),
  });
  const file = await readForStorm({
    openSocket: async (): Promise<DatagramSocket> => socket,
    host: HOST,
    port: 69,
    name: 'snponly.efi',
    blockSize: 8,
    windowSize: 2,
    timeout: 60_000,
    tries: 3,
    signal: new AbortController().signal,
    ...more,
  });
  return { text: Buffer.from(file).toString(), heard, to };
}

const data = (block: number, text: string): TftpPacket => ({ kind: 'data', block, bytes: Buffer.from(text) });
const ACCEPTED: TftpPacket = {
  kind: 'options-ack',
  options: new Map([
    ['blksize', '8'],
    ['windowsize', '2'],
  ]),
};
const acks = (heard: readonly TftpPacket[]) =>
  heard.flatMap((one) => (one.kind === 'ack' ? [one.block] : []));

t.test('a window is acknowledged by its last block, and the file by its short one', async (t) => {
  const { text, heard, to } = await read({
    answer: (packet) => {
      if (packet.kind === 'read') return [ACCEPTED];
      if (packet.kind !== 'ack') return [];
      return packet.block === 0
        ? [data(1, '12345678'), data(2, 'abcdefgh')]
        : packet.block === 2
          ? [data(3, 'x')]
          : [];
    },
  });
  t.equal(text, '12345678abcdefghx');
  t.same(acks(heard), [0, 2, 3]);
  t.same(to, [69, 2000, 2000, 2000], 'the transfer goes on at the port that answered');
});

t.test('a block that is missing is asked for by the one before it, at once', async (t) => {
  const { text, heard } = await read({
    answer: (packet, nth) => {
      if (packet.kind === 'read') return [ACCEPTED];
      // Of the first window only its second block comes.
      if (nth === 2) return [data(2, 'y')];
      return packet.kind === 'ack' && packet.block === 0 ? [data(1, '12345678'), data(2, 'y')] : [];
    },
  });
  t.equal(text, '12345678y');
  t.same(acks(heard), [0, 0, 2]);
});

t.test('after silence the last packet is sent again', async (t) => {
  const { text, heard } = await read({
    timeout: 20,
    answer: (packet, nth) => (nth < 3 ? [] : packet.kind === 'read' ? [data(1, 'all')] : []),
  });
  t.equal(text, 'all');
  t.same(
    heard.map(({ kind }) => kind),
    ['read', 'read', 'read', 'ack'],
  );
});

t.test('a server that knows no options sends blocks of 512, one at a time', async (t) => {
  const block = 'x'.repeat(512);
  const { text, heard } = await read({
    answer: (packet) =>
      packet.kind === 'read'
        ? [data(1, block)]
        : packet.kind === 'ack' && packet.block === 1
          ? [data(2, '')]
          : [],
  });
  t.equal(text, block);
  t.same(acks(heard), [1, 2]);
});

const none = () => [];

t.test('silence, an error and the end of the time are told', async (t) => {
  await t.rejects(read({ timeout: 20, answer: none }), { code: 'unavailable', message: /does not answer/ });
  await t.rejects(read({ timeout: 20, answer: (packet) => (packet.kind === 'read' ? [ACCEPTED] : []) }), {
    message: /no block 1 in all tries/,
  });
  const error: TftpPacket = { kind: 'error', code: 1, message: 'not here' };
  await t.rejects(read({ answer: () => [error] }), { code: 'refused', message: /error 1, not here/ });
  await t.rejects(read({ answer: none, signal: AbortSignal.abort() }), { message: /time was over/ });
});
