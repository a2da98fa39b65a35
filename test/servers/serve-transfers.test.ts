import t from 'tap';
import type { DatagramBatches, SendFailure } from '../../src/net/port.ts';
import { createTransferLoop } from '../../src/servers/serve-transfers.ts';
import type { ThreadReports } from '../../src/servers/tftp-thread-log.ts';
import {
  CONTROL_NUMBERS,
  FIELDS,
  ORDERS,
  type StartOrder,
  type ThreadOrder,
  UNHEARD,
} from '../../src/servers/tftp-thread-messages.ts';

const BLOCK = 1468;

interface Sent {
  readonly fd: number;
  readonly port: number;
  readonly segment: number;
  readonly blocks: number;
}

/** A kernel that a test can have refuse what it wants, with an errno that no loopback gives. */
function createKernel(refuses: (message: Sent) => string | undefined = () => undefined) {
  const sent: Sent[] = [];
  const incoming: { readonly port: number; readonly packet: Uint8Array }[] = [];
  const bytes = new Uint8Array(128 * 1024);
  let waiting: { port: number; segment: number; blocks: number }[] = [];
  let taken: typeof incoming = [];
  const part = (): number => {
    const last = waiting.at(-1);
    if (last !== undefined) last.blocks++;
    return 0;
  };
  const batches: DatagramBatches = {
    keeps: [],
    receive() {
      taken = incoming.splice(0, 128);
      for (const [index, { packet }] of taken.entries()) bytes.set(packet, index * 1024);
      return taken.length;
    },
    received: {
      bytes,
      startOf: (index) => index * 1024,
      lengthOf: (index) => taken[index]?.packet.length ?? 0,
      addressOf: () => 0x7f_00_00_01,
      portOf: (index) => taken[index]?.port ?? 0,
    },
    mostReceived: 128,
    hasRoom: () => waiting.length < 128,
    open: (_address, port, segment) => waiting.push({ port, segment, blocks: 0 }) - 1,
    addBlock: part,
    starts: new Uint8Array(4),
    addLoose: () => void part(),
    flush(fd, onFailure: (index: number, failure: SendFailure) => void) {
      const messages = waiting.map((message) => ({ ...message, fd }));
      waiting = [];
      for (const [index, message] of messages.entries()) {
        const code = refuses(message);
        if (code === undefined) sent.push(message);
        else onFailure(index, { errno: 0, code });
      }
      return messages.length;
    },
    watch: () => undefined,
    watchRoom: () => undefined,
    wait: () => 0,
    pause: () => undefined,
    mayRead: () => false,
    mayWrite: () => false,
  };
  return { batches, sent, incoming };
}

const start = (slot: number, port: number, more: Partial<StartOrder> = {}): StartOrder => ({
  kind: 'start',
  slot,
  fd: 9,
  address: 0x7f_00_00_01,
  port,
  at: 4096,
  size: 10 * BLOCK,
  blockSize: BLOCK,
  windowSize: 4,
  timeout: undefined,
  answer: undefined,
  recorded: true,
  ...more,
});

/** `turns`: what is posted before each turn of the loop; afterwards it is stopped. */
function run(kernel: ReturnType<typeof createKernel>, turns: readonly (readonly ThreadOrder[])[]) {
  const control = new Int32Array(new SharedArrayBuffer(4 * CONTROL_NUMBERS));
  const progress = new Float64Array(new SharedArrayBuffer(8 * FIELDS * 16));
  const reports: ThreadReports[] = [];
  const coming = [...turns.map((turn) => [...turn]), [{ kind: 'stop' } as ThreadOrder]];
  let time = 0;
  const post = (): ThreadOrder[] => {
    const posted = coming.shift() ?? [];
    Atomics.add(control, ORDERS, posted.length);
    return posted;
  };
  let now = post();
  const loop = createTransferLoop({
    options: { control, progress, wake: 3, clock: { hrtime: 0, shown: 0, pace: 1 } },
    batches: kernel.batches,
    nextOrder: () => now.shift(),
    report: (report) => void reports.push(report),
    clearWake: () => undefined,
    wall() {
      // A turn is over each time that somebody looks at the clock.
      if (now.length === 0) now = post();
      return ++time;
    },
    now: () => time,
  });
  loop.run();
  return { control, reports };
}

t.test('a client that segments cannot be sent to hinders nobody else', (t) => {
  const kernel = createKernel(({ port, segment }) => (port === 1000 && segment > 0 ? 'EMSGSIZE' : undefined));
  run(kernel, [[{ kind: 'open', fd: 9 }, start(0, 1000)], [start(1, 2000)]]);
  t.same(
    kernel.sent.filter(({ port }) => port === 1000).map(({ segment, blocks }) => [segment, blocks]),
    [
      [0, 1],
      [0, 1],
      [0, 1],
      [0, 1],
    ],
    'one by one',
  );
  t.same(
    kernel.sent.filter(({ port }) => port === 2000).map(({ segment, blocks }) => [segment, blocks]),
    [[BLOCK + 4, 4]],
  );
  t.end();
});

t.test('what no packet can be sent of is told, and tried no more', (t) => {
  const kernel = createKernel(() => 'EINVAL');
  const { reports } = run(kernel, [[{ kind: 'open', fd: 9 }, start(0, 1000)]]);
  t.same(kernel.sent, []);
  t.equal(
    reports.reduce((sum, { failed }) => sum + (failed.get('EINVAL') ?? 0), 0),
    4,
  );
  t.end();
});

for (const [what, port, packet, most] of [
  ['packets of strangers', 3000, Uint8Array.of(0, 4, 0, 1), 1024],
  ['packets that are no answer', 1000, Uint8Array.of(0, 9, 0, 1), 50],
  ['ACKs again and again', 1000, Uint8Array.of(0, 4, 0, 0), 50],
  ['ACKs of what was never sent', 1000, Uint8Array.of(0, 4, 0, 11), 50],
] as const) {
  t.test(`${what} fill no memory while nobody looks at them`, (t) => {
    const kernel = createKernel();
    for (let count = 0; count < 20_000; count++) kernel.incoming.push({ port, packet });
    const turns = Array.from({ length: 200 }, () => []);
    const { control, reports } = run(kernel, [[{ kind: 'open', fd: 9 }, start(0, 1000)], ...turns]);
    t.same(kernel.incoming, [], 'all of them were taken from the kernel');
    const sum = (of: (report: ThreadReports) => number): number =>
      reports.reduce((all, report) => all + of(report), 0);
    const kept = sum(({ entries, strays }) => entries.length / 3 + strays.length);
    t.ok(kept <= most, `${kept} were told of`);
    t.equal(
      Atomics.load(control, UNHEARD),
      sum(({ told }) => told),
    );
    t.end();
  });
}

t.test('orders that were taken are counted no more: there are billions in a daemon’s life', (t) => {
  const { control } = run(createKernel(), [[{ kind: 'open', fd: 9 }, start(0, 1000)], [start(1, 2000)]]);
  t.equal(Atomics.load(control, ORDERS), 0);
  t.end();
});

t.test('nothing is sent to a descriptor that was closed, whatever was on its way', (t) => {
  const kernel = createKernel();
  const closing: ThreadOrder[] = [{ kind: 'close', fd: 9 }, start(1, 2000)];
  const turns = Array.from({ length: 2000 }, () => []);
  const open: ThreadOrder[] = [
    { kind: 'open', fd: 9 },
    { kind: 'open', fd: 10 },
  ];
  const { reports } = run(kernel, [[...open, start(0, 1000), start(2, 3000, { fd: 10 })], closing, ...turns]);
  t.equal(kernel.sent.filter(({ fd }) => fd === 9).length, 1, 'what was sent before');
  t.ok(kernel.sent.filter(({ fd }) => fd === 10).length > 1, 'the other port’s goes on');
  t.same(
    reports.flatMap(({ closed }) => closed),
    [9],
  );
  const ends = reports.flatMap((report) => report.ends).filter(({ kind }) => kind === 'stopped');
  t.same(
    ends.map(({ kind }) => kind),
    ['stopped', 'stopped'],
    'the one that ran, and the one that came too late',
  );
  t.end();
});
