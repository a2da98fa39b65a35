/*
 * A lean HTTP load client for small answers: one process, plain system calls through koffi and one poll(2) for all
 * connections, so that it costs less than any of the servers it measures. Prints one JSON object.
 *
 *   node bench/support/text-load.ts '{"host":"10.77.0.1","port":80,"targets":"/tmp/targets",…}'
 */
import { readFileSync, writeFileSync } from 'node:fs';
import koffi from 'koffi';
import { AF_INET, libc, POLLFD, POLLIN, socketAddress } from './system-calls.ts';

export interface TextLoadOrder {
  readonly host: string;
  readonly port: number;
  /** A file with one target a line; the n-th is the n-th machine's. */
  readonly targets: string;
  /** As many source addresses, 10.77.16.0 and on: the n-th machine asks from the n-th of them, modulo their number. */
  readonly connections: number;
  /** A connection for each request, as a machine that boots makes them; else each is used again. */
  readonly fresh: boolean;
  /** Absent: each target is asked for once. */
  readonly seconds?: number;
  /** A pattern whose first group is taken from each answer, and the file that gets them, one a line, in the targets' order. */
  readonly collect?: { readonly pattern: string; readonly file: string };
}

export interface TextLoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** Of heads and bodies. */
  readonly bytes: number;
  /** Of this client. */
  readonly cpuSeconds: number;
}

const SOCK_STREAM = 1;
const MSG_DONTWAIT = 0x40;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const EINPROGRESS = 115;
const ANSWER_LIMIT = 256 * 1024;

const socket = libc.func('int socket(int, int, int)');
const setsockopt = libc.func('int setsockopt(int, int, int, void*, uint)');
const bind = libc.func('int bind(int, void*, uint)');
const connect = libc.func('int connect(int, void*, uint)');
const send = libc.func('long send(int, void*, size_t, int)');
const recv = libc.func('long recv(int, void*, size_t, int)');
const poll = libc.func('int poll(void*, ulong, int)');
const close = libc.func('int close(int)');

interface Connection {
  fd: number;
  /** Index of the target that is asked for. */
  target: number;
  /** Bytes of the answer so far, and in all once its head is read. */
  got: number;
  want: number;
  /** What came, where more than one piece does. */
  text: Buffer | undefined;
}

function run(order: TextLoadOrder): TextLoadResult {
  const { connections: count, fresh, seconds } = order;
  const lines = readFileSync(order.targets, 'utf8').trimEnd().split('\n');
  const requests = lines.map((line) => Buffer.from(`GET ${line} HTTP/1.1\r\nHost: ${order.host}\r\n\r\n`));
  const server = socketAddress(order.host.split('.').map(Number), order.port);
  const sources = Array.from({ length: count }, (_, at) =>
    socketAddress([10, 77, 16 + (at >> 8), at & 255], 0),
  );
  const pattern = order.collect === undefined ? undefined : new RegExp(order.collect.pattern);
  const collected: string[] = [];
  const packet = Buffer.alloc(ANSWER_LIMIT);
  const one = Buffer.alloc(4);
  one.writeInt32LE(1);
  const polled = Buffer.alloc(POLLFD * count);
  let done = 0;
  let bytes = 0;
  let ending = false;

  const open = (index: number): number => {
    const fd = socket(AF_INET, SOCK_STREAM, 0) as number;
    if (fd < 0) throw new Error('no socket');
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, one, 4);
    if (bind(fd, sources[index], 16) !== 0) throw new Error(`cannot bind: ${koffi.errno()}`);
    // On one host it is made at once; what follows must not block.
    if (connect(fd, server, 16) !== 0 && koffi.errno() !== EINPROGRESS)
      throw new Error(`cannot connect: ${koffi.errno()}`);
    return fd;
  };
  const ask = (connection: Connection, index: number): void => {
    if (connection.fd === -1) connection.fd = open(index);
    connection.got = 0;
    connection.want = 0;
    connection.text = undefined;
    const request = requests[connection.target] as Buffer;
    const sent = send(connection.fd, request, request.length, 0) as number;
    if (sent !== request.length) throw new Error(`sent ${sent} of ${request.length} bytes`);
    polled.writeInt32LE(connection.fd, index * POLLFD);
  };
  const stop = (connection: Connection, index: number): void => {
    if (connection.fd !== -1) close(connection.fd);
    connection.fd = -1;
    polled.writeInt32LE(-1, index * POLLFD);
  };
  /** Takes what there is; whether the answer is whole. */
  const take = (connection: Connection): boolean => {
    const length = recv(connection.fd, packet, ANSWER_LIMIT, MSG_DONTWAIT) as number;
    if (length <= 0) throw new Error(`the connection ended at byte ${connection.got} of ${connection.want}`);
    if (connection.text !== undefined)
      connection.text = Buffer.concat([connection.text, packet.subarray(0, length)]);
    connection.got += length;
    if (connection.want === 0) {
      const text = connection.text ?? packet.subarray(0, length);
      const end = text.indexOf('\r\n\r\n');
      if (end === -1) {
        connection.text ??= Buffer.from(text);
        return false;
      }
      const head = text.toString('latin1', 0, end);
      const body = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
      if (!head.startsWith('HTTP/1.1 200 ') || body === undefined)
        throw new Error(`${lines[connection.target]}: ${text.toString('latin1', 0, 600)}`);
      connection.want = end + 4 + Number(body);
    }
    if (connection.got > connection.want) throw new Error('more came than was asked for');
    const whole = connection.got === connection.want;
    if (!whole) connection.text ??= Buffer.from(packet.subarray(0, length));
    else if (pattern !== undefined) {
      const text = (connection.text ?? packet.subarray(0, length)).toString('latin1');
      const found = pattern.exec(text)?.[1];
      if (found === undefined)
        throw new Error(`${lines[connection.target]} has no ${pattern.source}: ${text.slice(0, 300)}`);
      collected[connection.target] = found;
    }
    return whole;
  };

  const all = Array.from(
    { length: Math.min(count, lines.length) },
    (_, target): Connection => ({ fd: -1, target, got: 0, want: 0, text: undefined }),
  );
  for (let at = 0; at < count; at++) {
    polled.writeInt32LE(-1, at * POLLFD);
    polled.writeInt16LE(POLLIN, at * POLLFD + 4);
  }
  const startedAt = performance.now();
  const before = process.cpuUsage();
  all.forEach(ask);
  let left = all.length;
  while (left > 0) {
    const ready = poll(polled, count, 10_000) as number;
    if (ready === 0) throw new Error('the server is silent');
    const now = performance.now();
    ending = seconds !== undefined && now - startedAt >= seconds * 1000;
    for (let index = 0; index < all.length; index++) {
      if (polled.readInt16LE(index * POLLFD + 6) === 0) continue;
      polled.writeInt16LE(0, index * POLLFD + 6);
      const connection = all[index] as Connection;
      if (connection.fd === -1 || !take(connection)) continue;
      done++;
      bytes += connection.want;
      const next = connection.target + count;
      const over = ending || (seconds === undefined && next >= lines.length);
      if (over || fresh) stop(connection, index);
      if (over) left--;
      else {
        connection.target = next < lines.length ? next : index;
        ask(connection, index);
      }
    }
  }
  const elapsed = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(before);
  if (order.collect !== undefined) writeFileSync(order.collect.file, `${collected.join('\n')}\n`);
  return { requests: done, seconds: elapsed, bytes, cpuSeconds: (user + system) / 1e6 };
}

if (import.meta.main) {
  try {
    console.log(JSON.stringify(run(JSON.parse(process.argv[2] ?? '{}') as TextLoadOrder)));
  } catch (thrown) {
    console.error(String(thrown));
    process.exitCode = 1;
  }
}
