import type { RemoteInfo, Socket } from 'node:dgram';
import { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';
import t from 'tap';
import type { DhcpAction } from '../../src/boot/dhcp-action.ts';
import { TinderboxError } from '../../src/errors.ts';
import { createLoggers } from '../../src/logger.ts';
import { readText } from '../../src/machine/event.ts';
import { formatIpv4, type Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { messageTypeOf, OPTION } from '../../src/protocol/dhcp/option-codes.ts';
import { type DhcpPacket, decodeDhcpPacket, encodeDhcpPacket } from '../../src/protocol/dhcp/packet.ts';
import { startDhcpServer } from '../../src/servers/dhcp.ts';
import type { DhcpLoop, DhcpLoopOptions } from '../../src/servers/dhcp-loop.ts';
import type { PacketRecorder, SeenDatagram } from '../../src/servers/port.ts';
import { startPxeServer } from '../../src/servers/pxe.ts';
import type { Observation } from '../../src/store/port.ts';
import { ip, SUBNET } from '../support/make-environment.ts';
import { MAC, makeRequest, UEFI_ROM } from '../support/make-request.ts';

interface Sent {
  readonly packet: DhcpPacket;
  readonly to: string;
}

interface Bench {
  readonly loop: DhcpLoop;
  readonly sent: Sent[];
  readonly recorded: Observation[];
  readonly counts: string[];
  readonly learned: string[];
  /** Lines of the log. */
  readonly log: string[];
  closed(): boolean;
  /** A datagram comes in; resolves when what it started is done. */
  receive(bytes: Uint8Array, from?: Partial<RemoteInfo>): Promise<void>;
  fail(): void;
}

interface BenchOptions {
  readonly port?: 67 | 4011;
  readonly decide?: DhcpLoopOptions['decide'];
  readonly changeLease?: DhcpLoopOptions['changeLease'];
  readonly sendError?: Error;
  readonly now?: () => number;
  readonly uptime?: () => number;
  readonly level?: string;
  readonly recorder?: PacketRecorder;
  readonly dropped?: () => number;
}

const OFFER: DhcpAction = {
  kind: 'reply',
  type: 'offer',
  address: { address: ip('10.77.0.100'), subnet: SUBNET, hostname: undefined },
  reasons: ['because'],
};
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

function makeBench(options: BenchOptions = {}): Bench {
  const sent: Sent[] = [];
  const recorded: Observation[] = [];
  const counts: string[] = [];
  const learned: string[] = [];
  const log: string[] = [];
  let isClosed = false;
  const socket = Object.assign(new EventEmitter(), {
    send(bytes: Uint8Array, port: number, host: string, done: (error: Error | null) => void) {
      sent.push({ packet: decodeDhcpPacket(bytes), to: `${host}:${port}` });
      done(options.sendError ?? null);
    },
    close(done: () => void) {
      isClosed = true;
      done();
    },
  });
  if (options.dropped !== undefined) Object.assign(socket, { dropped: options.dropped });
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      log.push(chunk.toString('utf8'));
      done();
    },
  });
  const common = {
    socket: socket as unknown as Socket,
    via: 'eth1',
    serverAddress: () => ip('10.77.0.1'),
    decide: options.decide ?? (() => OFFER),
    journal: {
      record: ({ asked, answered, ...observation }: Observation) =>
        void recorded.push({ ...observation, asked: readText(asked), answered: readText(answered) }),
      count: (name: string) => void counts.push(name),
      learnAddress: (address: Ipv4, mac: Mac) => void learned.push(`${formatIpv4(address)} ${mac}`),
    },
    logger: createLoggers({ destination, level: options.level ?? 'info' }).dhcp,
    now: options.now ?? (() => 1_000_000),
    uptime: options.uptime ?? (() => 0),
    recorder: options.recorder,
  };
  const changeLease = options.changeLease ?? (() => Promise.resolve(undefined));
  const loop = options.port === 4011 ? startPxeServer(common) : startDhcpServer({ ...common, changeLease });
  return {
    loop,
    sent,
    recorded,
    counts,
    learned,
    log,
    closed: () => isClosed,
    async receive(bytes, from = {}) {
      socket.emit('message', Buffer.from(bytes), {
        address: '0.0.0.0',
        port: 68,
        family: 'IPv4',
        size: 0,
        ...from,
      });
      await settle();
    },
    fail: () => socket.emit('error', new Error('the interface is down')),
  };
}

const DISCOVER = encodeDhcpPacket(makeRequest(UEFI_ROM));

t.test('what is decided is sent and recorded, with who asked what and why', async (t) => {
  const bench = makeBench();
  await bench.receive(DISCOVER);
  t.equal(bench.sent.length, 1);
  t.equal(bench.sent[0]?.to, '255.255.255.255:68');
  const reply = bench.sent[0]?.packet as DhcpPacket;
  t.equal(messageTypeOf(reply), 'offer');
  t.same([...(reply.options.get(OPTION.serverIdentifier) ?? [])], [10, 77, 0, 1]);
  t.match(bench.recorded, [
    {
      at: 1_000_000,
      kind: 'dhcp.discover',
      outcome: 'answered',
      asked: /DISCOVER/,
      answered: 'OFFER, 10.77.0.100',
      reasons: ['because'],
      via: 'eth1',
      mac: MAC,
      client: 'rom',
      stage: 'discovered',
      facts: { mac: MAC, arch: 'x86_64' },
    },
  ]);
});

t.test('the recorder sees both directions, and also what does not decode', async (t) => {
  const seen: SeenDatagram[] = [];
  const recorder = { record: (datagram: SeenDatagram) => void seen.push(datagram) };
  const server = ip('10.77.0.1');
  const bench = makeBench({ recorder });
  await bench.receive(DISCOVER);
  const dhcp = { plane: 'dhcp', via: 'eth1', mac: MAC };
  t.match(seen, [
    {
      ...dhcp,
      direction: 'received',
      from: { address: ip('0.0.0.0'), port: 68 },
      to: { address: ip('255.255.255.255'), port: 67 },
      payload: Buffer.from(DISCOVER),
    },
    {
      ...dhcp,
      direction: 'sent',
      from: { address: server, port: 67 },
      to: { address: ip('255.255.255.255'), port: 68 },
    },
  ]);
  seen.length = 0;
  await bench.receive(DISCOVER.subarray(0, 100), { address: '10.77.0.9' });
  await bench.receive(DISCOVER.subarray(0, 33));
  t.match(seen, [{ ...dhcp, direction: 'received' }], 'if it says whose it is');
  seen.length = 0;
  const renewal = encodeDhcpPacket({ ...makeRequest(UEFI_ROM), ciaddr: ip('10.77.0.9') });
  await bench.receive(renewal, { address: '10.77.0.9' });
  t.match(seen[0], { to: { address: server } }, 'who has an address may ask ours');
  seen.length = 0;
  await makeBench({ port: 4011, recorder }).receive(DISCOVER, { address: '10.77.0.9', port: 4011 });
  t.match(seen, [
    { ...dhcp, from: { port: 4011 }, to: { port: 4011 } },
    { ...dhcp, from: { port: 4011 }, to: { address: ip('10.77.0.9'), port: 4011 } },
  ]);
});

t.test('silence is recorded with its reason, and nothing is sent', async (t) => {
  for (const outcome of ['ignored', 'refused', 'noted', 'failed'] as const) {
    const bench = makeBench({ decide: () => ({ kind: 'silent', outcome, reasons: ['not ours'] }) });
    await bench.receive(DISCOVER);
    t.same(bench.sent, []);
    t.match(bench.recorded, [{ outcome, answered: '', reasons: ['not ours'] }]);
  }
});

t.test('a NAK counts as a refusal', async (t) => {
  const bench = makeBench({
    decide: () => ({ kind: 'reply', type: 'nak', message: 'no', reasons: ['taken'] }),
  });
  await bench.receive(
    encodeDhcpPacket(makeRequest({ ...UEFI_ROM, type: 'request', requested: ip('10.77.0.9') })),
  );
  t.match(bench.recorded, [{ kind: 'dhcp.request', outcome: 'refused', answered: 'NAK' }]);
});

t.test('what is no request of a client is counted by its cause and goes no further', async (t) => {
  const decide = () => t.fail('nothing is decided') as never;
  const reply = encodeDhcpPacket({ ...makeRequest(), op: 2 });
  const cookieless = Uint8Array.from(DISCOVER);
  cookieless[236] = 0;
  const rows: [string, Uint8Array, string][] = [
    ['nothing', new Uint8Array(0), 'dhcp.dropped.'],
    ['too short', DISCOVER.subarray(0, 239), 'dhcp.dropped.'],
    ['no cookie', cookieless, 'dhcp.dropped.'],
    ["a server's reply", reply, 'dhcp.dropped.not-a-request'],
    ['no Ethernet', encodeDhcpPacket(makeRequest({ hlen: 16 })), 'dhcp.dropped.hardware-address'],
  ];
  for (const [name, bytes, cause] of rows) {
    const bench = makeBench({ decide });
    await bench.receive(bytes);
    t.equal(bench.counts.length, 1, name);
    t.ok(bench.counts[0]?.startsWith(cause), `${name}: ${bench.counts[0]}`);
    t.same([bench.sent, bench.recorded], [[], []], name);
    if (name !== 'no Ethernet') t.same(bench.log, [], name);
  }
});

/** The level of pino's warnings. */
const WARN = 40;

t.test('hardware addresses of other networks are said once a minute, with their length', async (t) => {
  let uptime = 0;
  const bench = makeBench({ uptime: () => uptime });
  for (const hlen of [16, 8, 16]) await bench.receive(encodeDhcpPacket(makeRequest({ hlen })));
  t.equal(bench.log.length, 1);
  t.match(JSON.parse(bench.log[0] ?? ''), {
    level: WARN,
    msg: 'a client is not supported',
    reason: /of 16 bytes are not supported/,
    interface: 'eth1',
  });
  uptime += 60_000;
  await bench.receive(encodeDhcpPacket(makeRequest({ hlen: 8 })));
  t.match(JSON.parse(bench.log[1] ?? ''), { reason: /of 8 bytes/, held: 2 });
});

t.test('what only the operator can mend is counted each time and said once a minute a cause', async (t) => {
  let uptime = 0;
  let text = 'no address is free in 10.77.0.0/24';
  const reasons = ['because'];
  const silent = (): DhcpAction => ({
    kind: 'silent',
    outcome: 'refused',
    trouble: { counter: 'pool-exhausted', text },
    reasons,
  });
  const bench = makeBench({ decide: silent, uptime: () => uptime });
  for (let round = 0; round < 3; round++) await bench.receive(DISCOVER);
  t.same(bench.counts, ['dhcp.pool-exhausted', 'dhcp.pool-exhausted', 'dhcp.pool-exhausted']);
  t.equal(bench.log.length, 1);
  t.match(JSON.parse(bench.log[0] ?? ''), { level: WARN, msg: text, mac: MAC, interface: 'eth1', reasons });
  text = 'no address is free in 10.78.0.0/24';
  await bench.receive(DISCOVER);
  t.match(JSON.parse(bench.log[1] ?? ''), { msg: text }, 'another network is another cause');
  uptime += 60_000;
  await bench.receive(DISCOVER);
  t.equal(bench.log.length, 3);

  const trouble = { counter: 'no-loader', text: 'no loader' } as const;
  const answered = makeBench({ decide: () => ({ ...OFFER, trouble }) });
  await answered.receive(DISCOVER);
  t.equal(answered.sent.length, 1, 'it is said also of what is answered');
  t.match(JSON.parse(answered.log[0] ?? ''), { level: WARN, msg: 'no loader' });
});

const refuseLease = (error: Error): BenchOptions => ({
  decide: () => ({ ...OFFER, lease: { kind: 'offer', address: ip('10.77.0.100') } }),
  async changeLease() {
    throw error;
  },
});

t.test('an address that was taken meanwhile is a race and no error', async (t) => {
  const taken = new TinderboxError('in-use', '10.77.0.100 is bound (somebody)');
  const bench = makeBench({ ...refuseLease(taken), level: 'debug' });
  await bench.receive(DISCOVER);
  t.same([bench.sent, bench.counts], [[], ['dhcp.lease-races']]);
  t.match(bench.recorded, [
    { outcome: 'refused', answered: '', reasons: ['because', /not answered: 10\.77\.0\.100 is bound/] },
  ]);
  t.match(JSON.parse(bench.log[0] ?? ''), { level: 20, msg: 'an address was taken meanwhile' });

  const broken = makeBench(
    refuseLease(new TinderboxError('busy', 'tinderbox.db is locked by another program')),
  );
  await broken.receive(DISCOVER);
  t.match(broken.recorded, [{ outcome: 'failed' }]);
  t.match(JSON.parse(broken.log[0] ?? ''), { level: 50, msg: 'a lease could not be written' });
});

t.test('a reply calls the server what the decision says', async (t) => {
  const bench = makeBench({ decide: () => ({ ...OFFER, serverAddress: ip('10.88.0.1') }) });
  await bench.receive(DISCOVER);
  t.same([...(bench.sent[0]?.packet.options.get(OPTION.serverIdentifier) ?? [])], [10, 88, 0, 1]);
});

t.test('a lease is carried out before its ACK leaves; without it there is none', async (t) => {
  const ack: DhcpAction = {
    ...OFFER,
    type: 'ack',
    lease: { kind: 'bind', address: ip('10.77.0.100'), leaseTime: 60 },
  };
  const disk = Promise.withResolvers<undefined>();
  const bench = makeBench({ decide: () => ack, changeLease: () => disk.promise });
  await bench.receive(DISCOVER);
  t.same(bench.sent, [], 'the disk is still writing');
  disk.resolve(undefined);
  await settle();
  t.equal(bench.sent.length, 1);
  t.same(bench.learned, [`10.77.0.100 ${MAC}`], 'what it fetches is known to be its own');

  const broken = makeBench({
    decide: () => ack,
    changeLease: () => Promise.reject(new Error('the disk is full')),
  });
  await broken.receive(DISCOVER);
  t.same([broken.sent, broken.learned], [[], []]);
  t.match(broken.recorded, [{ outcome: 'failed', answered: '', reasons: ['because', /the disk is full/] }]);
});

t.test(
  'what is on disk already is confirmed although nothing can be written, for the time that it has left',
  async (t) => {
    const ack: DhcpAction = {
      ...OFFER,
      type: 'ack',
      lease: { kind: 'bind', address: ip('10.77.0.100'), leaseTime: SUBNET.leaseTime },
    };
    const full = new TinderboxError('unavailable', 'the disk is full');
    const bench = makeBench({
      decide: () => ack,
      changeLease: async () => ({ unwritten: full, seconds: 123 }),
    });
    await bench.receive(DISCOVER);
    const options = bench.sent[0]?.packet.options;
    t.same([...(options?.get(OPTION.leaseTime) ?? [])], [0, 0, 0, 123]);
    t.same([...(options?.get(OPTION.renewalTime) ?? [])], [0, 0, 0, 61]);
    t.match(bench.recorded, [
      {
        outcome: 'answered',
        reasons: ['because', 'confirmed for 123 s only, since it cannot be written: the disk is full'],
      },
    ]);
    t.same(bench.learned, [`10.77.0.100 ${MAC}`]);
    t.match(JSON.parse(bench.log[0] ?? ''), { level: 50, msg: 'a lease could not be written' });
  },
);

t.test('an address that a machine is heard to use is learned', async (t) => {
  const heard: DhcpAction = { kind: 'silent', outcome: 'noted', uses: ip('10.77.0.55'), reasons: [] };
  const bench = makeBench({ decide: () => heard });
  await bench.receive(DISCOVER);
  t.same(bench.learned, [`10.77.0.55 ${MAC}`]);
});

t.test(
  'errors never leave the loop, and are logged once a second, whatever the time of day does',
  async (t) => {
    let now = 1_000_000;
    let uptime = 5_000;
    const bench = makeBench({
      decide: () => Promise.reject(new Error('a defect')),
      now: () => now,
      uptime: () => uptime,
    });
    for (let round = 0; round < 50; round++) await bench.receive(DISCOVER);
    bench.fail();
    t.equal(bench.log.length, 1);
    t.match(bench.log[0], /a packet could not be answered/);
    t.equal(bench.counts.filter((name) => name === 'dhcp.errors').length, 51);
    now -= 3_600_000;
    uptime += 1000;
    await bench.receive(DISCOVER);
    t.equal(bench.log.length, 2);

    const unsent = makeBench({ sendError: new Error('network is down') });
    await unsent.receive(DISCOVER);
    t.match(unsent.log[0], /offer to 255\.255\.255\.255:68 could not be sent/);
  },
);

t.test('of packets that come together each is decided with what the one before claimed', async (t) => {
  const steps: string[] = [];
  const bench = makeBench({
    decide() {
      steps.push('decide');
      return { ...OFFER, lease: { kind: 'offer', address: ip('10.77.0.100') } };
    },
    changeLease() {
      steps.push('claim');
      return undefined;
    },
  });
  await Promise.all([bench.receive(DISCOVER), bench.receive(DISCOVER)]);
  t.same(steps, ['decide', 'claim', 'decide', 'claim']);
  t.equal(bench.sent.length, 2);
});

t.test('packets beyond what can wait for the disk are dropped and counted', async (t) => {
  const never = Promise.withResolvers<undefined>();
  const action: DhcpAction = { ...OFFER, lease: { kind: 'offer', address: ip('10.77.0.100') } };
  const bench = makeBench({ decide: () => action, changeLease: () => never.promise });
  for (let round = 0; round < 4200; round++) void bench.receive(DISCOVER);
  await settle();
  t.equal(bench.counts.filter((name) => name === 'dhcp.dropped.busy').length, 4200 - 4096);
  never.resolve(undefined);
  await settle();
  await bench.receive(DISCOVER);
  t.equal(bench.sent.length, 4097, 'those that waited are answered, and the next one as well');
});

t.test('what the kernel dropped is counted and said', async (t) => {
  let dropped = 0;
  const bench = makeBench({ dropped: () => dropped });
  dropped = 3;
  await bench.loop.stop();
  t.same(bench.counts, ['dhcp.dropped.no-room']);
  t.match(bench.log[0], /3 packets to port 67 on eth1 were lost/);
});

t.test('to stop is to let what is under way finish, and to answer nothing new', async (t) => {
  const disk = Promise.withResolvers<undefined>();
  const action: DhcpAction = {
    ...OFFER,
    type: 'ack',
    lease: { kind: 'release', address: ip('10.77.0.100') },
  };
  const bench = makeBench({ decide: () => action, changeLease: () => disk.promise });
  await bench.receive(DISCOVER);
  const stopped = bench.loop.stop();
  await bench.receive(DISCOVER);
  t.notOk(bench.closed(), 'the socket is still needed');
  disk.resolve(undefined);
  await stopped;
  t.equal(bench.sent.length, 1);
  t.ok(bench.closed());
});

t.test('port 67 answers to the relay, to the address that the client has, or to all', async (t) => {
  const rows: [Parameters<typeof makeRequest>[0], string][] = [
    [{}, '255.255.255.255:68'],
    [{ giaddr: ip('10.78.0.1') }, '10.78.0.1:67'],
    [{ type: 'request', ciaddr: ip('10.77.0.100') }, '10.77.0.100:68'],
    [{ ciaddr: ip('10.77.0.100') }, '255.255.255.255:68'],
    [{ type: 'request', server: ip('10.77.0.1'), ciaddr: ip('10.77.0.66') }, '255.255.255.255:68'],
  ];
  for (const [shape, to] of rows) {
    const type = shape?.type === 'request' ? 'ack' : 'offer';
    const bench = makeBench({ decide: () => ({ ...OFFER, type }) });
    await bench.receive(encodeDhcpPacket(makeRequest({ ...UEFI_ROM, ...shape })));
    t.equal(bench.sent[0]?.to, to, JSON.stringify(shape));
  }
});

t.test('port 4011 answers where the question came from', async (t) => {
  const rows: [Partial<RemoteInfo>, string][] = [
    [{ address: '10.77.0.100', port: 4011 }, '10.77.0.100:4011'],
    [{ address: '10.77.0.100', port: 68 }, '10.77.0.100:68'],
    [{ address: '0.0.0.0', port: 68 }, '255.255.255.255:68'],
  ];
  for (const [from, to] of rows) {
    const bench = makeBench({ port: 4011, decide: () => ({ kind: 'reply', type: 'ack', reasons: [] }) });
    await bench.receive(encodeDhcpPacket(makeRequest({ ...UEFI_ROM, type: 'request' })), from);
    t.equal(bench.sent[0]?.to, to);
    t.match(bench.recorded, [{ kind: 'pxe.request', outcome: 'answered' }]);
  }
});
