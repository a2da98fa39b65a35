/*
 * A lean DHCP load client: one relay agent on behalf of many machines, plain system calls through koffi, packets in
 * batches, so that it costs less than any of the servers it measures (perfdhcp takes a processor of its own at the
 * rates that are reached here, and tells no percentiles). Prints one JSON object.
 *
 *   node bench/support/dhcp-load.ts '{"from":[10,77,0,3],"to":[10,77,0,1],"seconds":2,"machines":20000,"rate":5000}'
 */
import koffi from 'koffi';
import { AF_INET, libc, POLLIN, socketAddress } from './system-calls.ts';

type Octets = readonly [number, number, number, number];

export interface DhcpLoadOrder {
  /** The relay's address and the server's. */
  readonly from: Octets;
  readonly to: Octets;
  readonly seconds: number;
  /** Machines that take turns: more than exchanges makes each a new lease. */
  readonly machines: number;
  /** The first machine's number: MACs are 02:ff and its four bytes. */
  readonly first?: number;
  /** Exchanges a second that begin, whatever became of those before; absent: `atOnce` are kept going. */
  readonly rate?: number;
  /** Machines that are in the middle of an exchange; each that ends lets another begin. */
  readonly atOnce?: number;
  /** As a PXE ROM asks: options 60, 93, 94, 97. */
  readonly pxe?: boolean;
}

export interface DhcpLoadResult {
  /** From the first DISCOVER to the last that began. */
  readonly seconds: number;
  readonly begun: number;
  /** ACKs: whole exchanges. */
  readonly done: number;
  readonly offers: number;
  readonly refused: number;
  /** That never had an ACK. */
  readonly lost: number;
  /** Of a whole exchange, from DISCOVER to ACK, in ms. */
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
  /** From REQUEST to ACK, in ms. */
  readonly ackP50: number;
  readonly ackP99: number;
  /** Of this client. */
  readonly cpuSeconds: number;
}

const SOCK_DGRAM_NONBLOCK = 2 | 0o4000;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const RECEIVE_BUFFER = 8 * 1024 * 1024;
/** Datagrams a call. */
const BATCH = 64;
const ROOM = 1024;
/** struct mmsghdr, struct iovec on 64 bits. */
const MMSGHDR = 64;
const IOVEC = 16;
/** ms that the last answers are waited for. */
const PATIENCE = 1_500;
/** An exchange that has no ACK after so many ms is lost, and another begins. */
const LOST = 2_000;

const socket = libc.func('int socket(int, int, int)');
const setsockopt = libc.func('int setsockopt(int, int, int, void*, uint)');
const bind = libc.func('int bind(int, void*, uint)');
const connect = libc.func('int connect(int, void*, uint)');
const sendmmsg = libc.func('int sendmmsg(int, void*, uint, int)');
const recvmmsg = libc.func('int recvmmsg(int, void*, uint, int, void*)');
const ppoll = libc.func('int ppoll(void*, ulong, void*, void*)');

/** Datagrams in memory that does not move, and the headers that point at them. */
function createBatch() {
  const bytesAt = koffi.alloc('uint8', BATCH * ROOM);
  const vectorsAt = koffi.alloc('uint8', BATCH * IOVEC);
  const headersAt = koffi.alloc('uint8', BATCH * MMSGHDR);
  const bytes = Buffer.from(koffi.view(bytesAt, BATCH * ROOM));
  const vectors = Buffer.from(koffi.view(vectorsAt, BATCH * IOVEC)).fill(0);
  const headers = Buffer.from(koffi.view(headersAt, BATCH * MMSGHDR)).fill(0);
  for (let index = 0; index < BATCH; index++) {
    vectors.writeBigUInt64LE(koffi.address(bytesAt) + BigInt(index * ROOM), index * IOVEC);
    vectors.writeUInt32LE(ROOM, index * IOVEC + 8);
    headers.writeBigUInt64LE(koffi.address(vectorsAt) + BigInt(index * IOVEC), index * MMSGHDR + 16);
    headers.writeUInt32LE(1, index * MMSGHDR + 24);
  }
  return { bytes, vectors, headers, headersAt };
}

function openSocket(from: Octets, to: Octets): number {
  const address = (octets: Octets): Buffer => socketAddress(octets, 67);
  const fd = socket(AF_INET, SOCK_DGRAM_NONBLOCK, 0) as number;
  const room = Buffer.alloc(4);
  room.writeInt32LE(RECEIVE_BUFFER);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, room, 4);
  if (bind(fd, address(from), 16) !== 0 || connect(fd, address(to), 16) !== 0)
    throw new Error(`port 67 of ${from.join('.')} cannot be had`);
  return fd;
}

const DISCOVER = 1;
const OFFER = 2;
const REQUEST = 3;
const ACK = 5;

/** A relayed message of one type; xid, MAC, UUID and, in a REQUEST, address and server are filled in. */
function makeTemplate(type: typeof DISCOVER | typeof REQUEST, from: Octets, pxe: boolean): Buffer {
  const head = Buffer.alloc(240);
  head.set([1, 1, 6, 1]);
  head.set(from, 24);
  head.set([0x02, 0xff], 28);
  head.writeUInt32BE(0x63825363, 236);
  const options = [53, 1, type];
  if (type === REQUEST) options.push(50, 4, 0, 0, 0, 0, 54, 4, 0, 0, 0, 0);
  options.push(55, 7, 1, 28, 2, 3, 15, 6, 12);
  if (pxe) {
    const vendor = Buffer.from('PXEClient:Arch:00007:UNDI:003016');
    options.push(60, vendor.length, ...vendor, 93, 2, 0, 7, 94, 3, 1, 3, 16);
    options.push(97, 17, 0, ...Buffer.alloc(16, 0x42));
  }
  options.push(255);
  const packet = Buffer.concat([head, Buffer.from(options)]);
  return packet.length < 300 ? Buffer.concat([packet], 300) : packet;
}

const REQUESTED_AT = 240 + 3 + 2;
const SERVER_AT = REQUESTED_AT + 4 + 2;

function run(order: DhcpLoadOrder): DhcpLoadResult {
  const { from, to, seconds, machines, first = 0, rate, atOnce = 64, pxe = false } = order;
  const fd = openSocket(from, to);
  const out = createBatch();
  const into = createBatch();
  const discover = makeTemplate(DISCOVER, from, pxe);
  const request = makeTemplate(REQUEST, from, pxe);
  const uuidAt = (template: Buffer): number => (pxe ? template.indexOf(Buffer.alloc(16, 0x42)) : -1);
  const uuids = [uuidAt(discover), uuidAt(request)];
  const most = Math.ceil(seconds * (rate ?? 60_000)) + 100_000;
  const begunAt = new Float64Array(most);
  const askedAt = new Float64Array(most);
  const whole = new Float64Array(most);
  const acks = new Float64Array(most);

  const tally = { begun: 0, offers: 0, done: 0, refused: 0, lost: 0, oldest: 0, waiting: 0 };

  const flush = (): void => {
    for (let sent = 0; sent < tally.waiting; ) {
      // The headers stand in a row: what was not taken is moved to the front by pointing further on.
      const count = sendmmsg(
        fd,
        sent === 0 ? out.headersAt : out.headers.subarray(sent * MMSGHDR),
        tally.waiting - sent,
        0,
      );
      if ((count as number) <= 0) break;
      sent += count as number;
    }
    tally.waiting = 0;
  };
  const put = (template: Buffer, xid: number, machine: number, uuid: number): number => {
    if (tally.waiting === BATCH) flush();
    const at = tally.waiting * ROOM;
    template.copy(out.bytes, at);
    out.bytes.writeUInt32BE(xid, at + 4);
    out.bytes.writeUInt32BE(machine, at + 30);
    if (uuid >= 0) out.bytes.writeUInt32BE(machine, at + uuid);
    out.vectors.writeUInt32LE(template.length, tally.waiting * IOVEC + 8);
    tally.waiting++;
    return at;
  };
  const begin = (now: number): void => {
    begunAt[tally.begun] = now;
    put(discover, tally.begun, first + (tally.begun % machines), uuids[0] as number);
    tally.begun++;
  };
  const take = (at: number, length: number, now: number): void => {
    const xid = into.bytes.readUInt32BE(at + 4);
    if (length < 243 || xid >= tally.begun) return;
    const end = at + length;
    let type = 0;
    let server = 0;
    for (let option = at + 240; option < end && into.bytes[option] !== 255; ) {
      const code = into.bytes[option] as number;
      if (code === 0) {
        option++;
        continue;
      }
      if (code === 53) type = into.bytes[option + 2] as number;
      else if (code === 54) server = into.bytes.readUInt32BE(option + 2);
      if (type !== 0 && server !== 0) break;
      option += 2 + (into.bytes[option + 1] as number);
    }
    if (type === OFFER && askedAt[xid] === 0) {
      tally.offers++;
      askedAt[xid] = now;
      const place = put(request, xid, first + (xid % machines), uuids[1] as number);
      out.bytes.writeUInt32BE(into.bytes.readUInt32BE(at + 16), place + REQUESTED_AT);
      out.bytes.writeUInt32BE(server, place + SERVER_AT);
    } else if (type === ACK && begunAt[xid] !== 0) {
      whole[tally.done] = now - (begunAt[xid] as number);
      acks[tally.done] = now - (askedAt[xid] as number);
      begunAt[xid] = 0;
      tally.done++;
    } else if (type !== OFFER && type !== ACK) tally.refused++;
  };
  const polled = Buffer.alloc(8);
  polled.writeInt32LE(fd, 0);
  polled.writeInt16LE(POLLIN, 4);
  const patience = Buffer.alloc(16);
  /** Until something comes, or so many ms. */
  const wait = (ms: number): void => {
    patience.writeUInt32LE(Math.floor(ms / 1000), 0);
    patience.writeUInt32LE(Math.floor((ms % 1000) * 1e6), 8);
    ppoll(polled, 1, patience, null);
  };
  const receive = (): void => {
    for (;;) {
      const count = recvmmsg(fd, into.headersAt, BATCH, 0, null) as number;
      if (count <= 0) return;
      const now = performance.now();
      for (let index = 0; index < count; index++)
        take(index * ROOM, into.headers.readUInt32LE(index * MMSGHDR + 56), now);
      if (count < BATCH) return;
    }
  };

  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  let now = startedAt;
  for (; now < until; now = performance.now()) {
    if (rate !== undefined) {
      const due = Math.min(most, Math.floor(((now - startedAt) / 1000) * rate) + 1);
      for (let count = due - tally.begun; count > 0; count--) begin(now);
    } else {
      for (; tally.oldest < tally.begun; tally.oldest++) {
        const at = begunAt[tally.oldest] as number;
        if (at !== 0 && now - at < LOST) break;
        if (at !== 0) tally.lost++;
      }
      const room = Math.min(atOnce - (tally.begun - tally.done - tally.lost), most - tally.begun);
      for (let count = room; count > 0; count--) begin(now);
    }
    flush();
    wait(
      rate === undefined
        ? 50
        : Math.max(0.2, Math.min(50, ((tally.begun + 1) / rate) * 1000 - (now - startedAt))),
    );
    receive();
    flush();
  }
  const measured = (now - startedAt) / 1000;
  const doneInTime = tally.done;
  for (const end = now + PATIENCE; tally.done + tally.lost < tally.begun && performance.now() < end; ) {
    wait(20);
    receive();
    flush();
  }
  const sorted = whole.subarray(0, tally.done).sort();
  const sortedAcks = acks.subarray(0, tally.done).sort();
  const { user, system } = process.cpuUsage();
  return {
    seconds: measured,
    begun: tally.begun,
    done: rate === undefined ? doneInTime : tally.done,
    offers: tally.offers,
    refused: tally.refused,
    lost: tally.begun - tally.done,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    longest: percentile(sorted, 1),
    ackP50: percentile(sortedAcks, 0.5),
    ackP99: percentile(sortedAcks, 0.99),
    cpuSeconds: (user + system) / 1e6,
  };
}

function percentile(values: Float64Array, share: number): number {
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
}

if (import.meta.main) console.log(JSON.stringify(run(JSON.parse(process.argv[2] ?? '{}') as DhcpLoadOrder)));
