/*
 * A lean HTTP load client: one process, plain system calls through koffi and one epoll for all connections. The kernel
 * is told to throw the bodies away (MSG_TRUNC, tcp(7)) instead of copying them, so that what is measured is the
 * server. Prints one JSON object.
 *
 *   node bench/support/http-load.ts '{"host":[127,0,0,1],"port":80,"path":"/image","connections":64,"seconds":3}'
 */
import { AF_INET, libc, socketAddress } from './system-calls.ts';

export interface HttpLoadOrder {
  readonly host: readonly [number, number, number, number];
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  readonly seconds: number;
  /** Each request asks for so many bytes from somewhere in a file of `size` bytes; absent: for the whole. */
  readonly range?: { readonly bytes: number; readonly size: number };
  /** The bodies are copied to memory, as a real client does. */
  readonly copy?: boolean;
}

export interface HttpLoadResult {
  readonly seconds: number;
  readonly bytes: number;
  /** Bodies that came whole. */
  readonly files: number;
  /** Connections that ended before their body did. */
  readonly broken: number;
  /** Processor time of this client. */
  readonly cpuSeconds: number;
}

const SOCK_STREAM_NONBLOCK = 1 | 0o4000;
const EPOLLIN = 1;
const EPOLL_CTL_ADD = 1;
const MSG_PEEK = 2;
const MSG_TRUNC = 0x20;
const MSG_NOSIGNAL = 0x4000;
const HEAD_BYTES = 8192;
const BODY_BYTES = 4 * 1024 * 1024;
const EVENTS = 64;
/** struct epoll_event is packed on x86 alone. */
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const DATA_AT = EVENT_BYTES - 8;

const socket = libc.func('int socket(int, int, int)');
const connect = libc.func('int connect(int, void*, uint)');
const send = libc.func('long send(int, void*, size_t, int)');
const recv = libc.func('long recv(int, void*, size_t, int)');
const close = libc.func('int close(int)');
const epollCreate = libc.func('int epoll_create1(int)');
const epollCtl = libc.func('int epoll_ctl(int, int, int, void*)');
const epollWait = libc.func('int epoll_wait(int, void*, int, int)');

interface Connection {
  fd: number;
  /** Bytes of the body that are to come; undefined: the head is. */
  left: number | undefined;
  /** The server takes another request on it. */
  stays: boolean;
}

function run(order: HttpLoadOrder): HttpLoadResult {
  const address = socketAddress(order.host, order.port);
  const epoll = epollCreate(0) as number;
  const events = Buffer.alloc(EVENTS * EVENT_BYTES);
  const event = Buffer.alloc(EVENT_BYTES);
  const head = Buffer.alloc(HEAD_BYTES);
  const body = Buffer.alloc(BODY_BYTES);
  const discard = order.copy === true ? 0 : MSG_TRUNC;
  let bytes = 0;
  let files = 0;
  let broken = 0;
  let asked = 0;

  const ask = (): Buffer => {
    const lines = [`GET ${order.path} HTTP/1.1`, 'Host: bench'];
    if (order.range !== undefined) {
      // Spread over the file, the same for every server.
      const from = (asked * 7_919 * 65_536) % (order.range.size - order.range.bytes);
      lines.push(`Range: bytes=${from}-${from + order.range.bytes - 1}`);
    }
    asked++;
    return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
  };
  const begin = (connection: Connection, index: number): void => {
    connection.fd = socket(AF_INET, SOCK_STREAM_NONBLOCK, 0) as number;
    connection.left = undefined;
    connection.stays = true;
    connect(connection.fd, address, 16);
    event.writeUInt32LE(EPOLLIN, 0);
    event.writeUInt32LE(index, DATA_AT);
    epollCtl(epoll, EPOLL_CTL_ADD, connection.fd, event);
    // On the loopback the connection is there when connect returns, blocking or not.
    const request = ask();
    send(connection.fd, request, request.length, 0);
  };
  const again = (connection: Connection, index: number): void => {
    close(connection.fd);
    begin(connection, index);
  };
  const next = (connection: Connection, index: number): void => {
    files++;
    connection.left = undefined;
    const request = ask();
    if (!connection.stays || send(connection.fd, request, request.length, MSG_NOSIGNAL) < 0)
      again(connection, index);
  };
  const readHead = (connection: Connection): 'more' | 'ended' | 'body' => {
    const length = recv(connection.fd, head, HEAD_BYTES, MSG_PEEK) as number;
    if (length < 0) return 'more';
    const text = head.toString('latin1', 0, length);
    const end = text.indexOf('\r\n\r\n');
    if (end === -1) return length === 0 ? 'ended' : 'more';
    if (!/^HTTP\/1\.1 20[06] /.test(text)) throw new Error(`the server says ${text.slice(0, end)}`);
    recv(connection.fd, head, end + 4, 0);
    connection.left = Number(/^content-length: (\d+)/im.exec(text.slice(0, end))?.[1]);
    connection.stays = !/^connection: close/im.test(text.slice(0, end));
    return 'body';
  };

  const connections = Array.from(
    { length: order.connections },
    (): Connection => ({ fd: -1, left: undefined, stays: true }),
  );
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const until = startedAt + order.seconds * 1000;
  connections.forEach(begin);
  while (performance.now() < until) {
    const ready = epollWait(epoll, events, EVENTS, 100) as number;
    for (let at = 0; at < ready; at++) {
      const index = events.readUInt32LE(at * EVENT_BYTES + DATA_AT);
      const connection = connections[index] as Connection;
      if (connection.left === undefined) {
        const came = readHead(connection);
        if (came === 'ended') again(connection, index);
        if (came !== 'body') continue;
      }
      const left = connection.left ?? 0;
      const length = recv(connection.fd, body, Math.min(left, BODY_BYTES), discard) as number;
      if (length > 0) {
        bytes += length;
        connection.left = left - length;
        if (length === left) next(connection, index);
      } else if (length === 0) {
        broken++;
        again(connection, index);
      }
    }
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  for (const { fd } of connections) close(fd);
  return { seconds, bytes, files, broken, cpuSeconds: (user + system) / 1e6 };
}

if (import.meta.main) console.log(JSON.stringify(run(JSON.parse(process.argv[2] ?? '{}') as HttpLoadOrder)));
