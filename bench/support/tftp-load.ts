/*
 * A lean TFTP load client: one process, plain system calls through koffi and one poll(2) for all clients, so that it
 * costs less than any of the servers it measures. Prints one JSON object.
 *
 *   node bench/support/tftp-load.ts '{"host":[127,0,0,1],"port":69,"file":"a","size":74213,"clients":50,"seconds":5,…}'
 */
import { AF_INET, libc, POLLFD, POLLIN, socketAddress } from './system-calls.ts';

export interface TftpLoadOrder {
  readonly host: readonly [number, number, number, number];
  readonly port: number;
  readonly file: string;
  /** Bytes that each file must have. */
  readonly size: number;
  readonly clients: number;
  /** How long files are fetched; a client that has one begins the next. */
  readonly seconds: number;
  readonly blockSize: number;
  /** 0: the option is not sent, for servers that know none. */
  readonly windowSize: number;
}

export interface TftpLoadResult {
  readonly seconds: number;
  /** Whole ones. */
  readonly files: number;
  /** Of the others as well, in order and without what came twice. */
  readonly bytes: number;
  /** Requests and ACKs sent again after a second of silence. */
  readonly resends: number;
  /** What the server answered. */
  readonly windowSize: number;
}

const SOCK_DGRAM_NONBLOCK = 2 | 0o4000;
const SILENCE = 1_000;
const RECEIVE_BUFFER = 4 * 1024 * 1024;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;

const socket = libc.func('int socket(int, int, int)');
const setsockopt = libc.func('int setsockopt(int, int, int, void*, uint)');
const connect = libc.func('int connect(int, void*, uint)');
const send = libc.func('long send(int, void*, size_t, int)');
const sendto = libc.func('long sendto(int, void*, size_t, int, void*, uint)');
const recv = libc.func('long recv(int, void*, size_t, int)');
const recvfrom = libc.func('long recvfrom(int, void*, size_t, int, void*, void*)');
const poll = libc.func('int poll(void*, ulong, int)');
const close = libc.func('int close(int)');

interface Client {
  fd: number;
  connected: boolean;
  blockSize: number;
  windowSize: number;
  expected: number;
  inWindow: number;
  received: number;
  heardAt: number;
}

function run(order: TftpLoadOrder): TftpLoadResult {
  const server = socketAddress(order.host, order.port);
  const options = ['blksize', String(order.blockSize), 'tsize', '0'];
  if (order.windowSize > 0) options.push('windowsize', String(order.windowSize));
  const request = Buffer.from(
    ['\0\x01', order.file, '\0octet\0', ...options.map((text) => `${text}\0`)].join(''),
  );
  const packet = Buffer.alloc(65536);
  const ack = Buffer.from([0, 4, 0, 0]);
  const stop = Buffer.from('\0\x05\0\0enough\0');
  const from = Buffer.alloc(16);
  const fromLength = Buffer.alloc(4);
  const room = Buffer.alloc(4);
  room.writeInt32LE(RECEIVE_BUFFER);
  const polled = Buffer.alloc(POLLFD * order.clients);
  let done = 0;
  let bytes = 0;
  let resends = 0;
  let answeredWindow = 1;

  const begin = (client: Client, index: number): void => {
    polled.writeInt32LE(-1, index * POLLFD);
    if (client.fd !== -1) close(client.fd);
    client.fd = -1;
    client.fd = socket(AF_INET, SOCK_DGRAM_NONBLOCK, 0) as number;
    if (order.windowSize > 1) setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, room, 4);
    client.connected = false;
    client.blockSize = 512;
    client.windowSize = 1;
    client.expected = 1;
    client.inWindow = 0;
    client.received = 0;
    client.heardAt = performance.now();
    polled.writeInt32LE(client.fd, index * POLLFD);
    polled.writeInt16LE(POLLIN, index * POLLFD + 4);
    sendto(client.fd, request, request.length, 0, server, 16);
  };
  const acknowledge = (client: Client, block: number): void => {
    ack[2] = (block >>> 8) & 255;
    ack[3] = block & 255;
    client.inWindow = 0;
    send(client.fd, ack, 4, 0);
  };
  const receive = (client: Client): number => {
    if (client.connected) return recv(client.fd, packet, 65536, 0) as number;
    fromLength.writeUInt32LE(16);
    const length = recvfrom(client.fd, packet, 65536, 0, from, fromLength) as number;
    if (length > 0) {
      client.connected = true;
      connect(client.fd, from, 16);
    }
    return length;
  };
  /** Whether the file is whole. */
  const take = (client: Client, length: number): boolean => {
    const operation = packet[1];
    if (operation === 6) {
      const texts = packet.toString('latin1', 2, length).split('\0');
      for (let at = 0; at + 1 < texts.length; at += 2) {
        if (texts[at] === 'blksize') client.blockSize = Number(texts[at + 1]);
        if (texts[at] === 'windowsize') client.windowSize = Number(texts[at + 1]);
      }
      answeredWindow = client.windowSize;
      acknowledge(client, 0);
      return false;
    }
    if (operation !== 3) throw new Error(`the server says ${packet.toString('latin1', 0, length)}`);
    const block = ((packet[2] as number) << 8) | (packet[3] as number);
    if (block !== (client.expected & 0xffff)) {
      // Lock step: the ACK was lost, so it is said again. Windows: once a gap.
      if (client.windowSize === 1 || client.inWindow >= 0) acknowledge(client, client.expected - 1);
      if (client.windowSize > 1) client.inWindow = -1;
      return false;
    }
    client.inWindow = Math.max(client.inWindow, 0) + 1;
    client.expected++;
    client.received += length - 4;
    bytes += length - 4;
    const last = length - 4 < client.blockSize;
    if (last || client.inWindow === client.windowSize) acknowledge(client, block);
    return last;
  };

  const clients = Array.from(
    { length: order.clients },
    (): Client => ({
      fd: -1,
      connected: false,
      blockSize: 512,
      windowSize: 1,
      expected: 1,
      inWindow: 0,
      received: 0,
      heardAt: 0,
    }),
  );
  const startedAt = performance.now();
  clients.forEach(begin);
  const until = startedAt + order.seconds * 1000;
  while (performance.now() < until) {
    poll(polled, order.clients, 100) as number;
    const now = performance.now();
    for (let index = 0; index < order.clients; index++) {
      const client = clients[index] as Client;
      if (client.fd === -1) continue;
      if (polled.readInt16LE(index * POLLFD + 6) === 0) {
        if (now - client.heardAt < SILENCE) continue;
        resends++;
        client.heardAt = now;
        if (client.connected) acknowledge(client, client.expected - 1);
        else sendto(client.fd, request, request.length, 0, server, 16);
        continue;
      }
      client.heardAt = now;
      // In lock step there is one packet; a window is read until it is there.
      for (;;) {
        const length = receive(client);
        if (length < 4) break;
        if (take(client, length)) {
          if (client.received !== order.size)
            throw new Error(`${client.received} bytes instead of ${order.size}`);
          done++;
          begin(client, index);
          break;
        }
        if (client.windowSize === 1) break;
      }
    }
  }
  const seconds = (performance.now() - startedAt) / 1000;
  // So that no server goes on with what nobody waits for; more than once, since packets may be lost.
  const talking = clients.filter(({ connected }) => connected);
  for (let times = 0; times < 3; times++) for (const { fd } of talking) send(fd, stop, stop.length, 0);
  return { seconds, files: done, bytes, resends, windowSize: answeredWindow };
}

if (import.meta.main) console.log(JSON.stringify(run(JSON.parse(process.argv[2] ?? '{}') as TftpLoadOrder)));
