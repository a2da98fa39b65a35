import fc from 'fast-check';
import t from 'tap';
import {
  acknowledgeBlock,
  blockLength,
  errorEndsWell,
  expireTransfer,
  startTransfer,
  type Transfer,
} from '../../../src/protocol/tftp/transfer.ts';
import { type LinkOptions, seededRandom, simulateLink } from './support/simulate-link.ts';

const start = (over: Partial<Parameters<typeof startTransfer>[0]> = {}): Transfer =>
  startTransfer({
    fileSize: 4096,
    blockSize: 512,
    windowSize: 1,
    timeout: undefined,
    negotiating: false,
    now: 0,
    ...over,
  });
const clean: LinkOptions = {
  fileSize: 74_213,
  blockSize: 1468,
  windowSize: 1,
  timeout: undefined,
  negotiating: true,
  delay: 0.2,
  loses: () => false,
  client: 'quiet',
  clientTimeout: 4000,
};

t.test('a file whose size is a multiple of the block ends with an empty block', async (t) => {
  const table = [
    { fileSize: 0, lastBlock: 1, last: 0 },
    { fileSize: 1, lastBlock: 1, last: 1 },
    { fileSize: 511, lastBlock: 1, last: 511 },
    { fileSize: 512, lastBlock: 2, last: 0 },
    { fileSize: 513, lastBlock: 2, last: 1 },
  ];
  for (const { fileSize, lastBlock, last } of table) {
    const transfer = start({ fileSize });
    t.equal(transfer.lastBlock, lastBlock, `${fileSize} bytes`);
    t.equal(blockLength(transfer, lastBlock), last);
  }
});

t.test('a clean link carries each packet once, in every window', async (t) => {
  for (const windowSize of [1, 4, 64]) {
    for (const fileSize of [0, 1, 1467, 1468, 1469, 74_213, 4 * 1468, 64 * 1468]) {
      const result = simulateLink({ ...clean, windowSize, fileSize });
      t.match(result, { step: 'finished', complete: true }, `${fileSize} bytes, window ${windowSize}`);
      t.equal(result.down, result.transfer.lastBlock + 1);
      t.equal(result.transfer.resends, 0);
    }
  }
});

t.test(
  'TFTP 5: a lost packet is sent again after about 300 ms at first, and sooner once the way is measured',
  async (t) => {
    t.equal(start().deadline, 300);
    t.equal(start({ timeout: 1 }).deadline, 300);
    const transfer = start();
    for (let block = 1; block < 8; block++) acknowledgeBlock(transfer, block, block);
    t.equal(transfer.deadline - 7, 40);
  },
);

t.test('TFTP 5: the negotiated timeout is the upper bound between two resends', async (t) => {
  for (const { timeout, most } of [
    { timeout: undefined, most: 6000 },
    { timeout: 1, most: 1000 },
    { timeout: 255, most: 5000 },
  ]) {
    const transfer = start({ timeout });
    const waits: number[] = [];
    acknowledgeBlock(transfer, 1, 0);
    for (let now = transfer.deadline; expireTransfer(transfer, now) === 'data'; now = transfer.deadline) {
      waits.push(transfer.deadline - now);
    }
    t.equal(Math.max(...waits), most, `timeout ${timeout}`);
  }
});

t.test('a client whose timer is restarted by each of our packets gets a pause to speak in', async (t) => {
  const transfer = start({ windowSize: 4, fileSize: 512 * 40 });
  t.equal(acknowledgeBlock(transfer, 4, 1), 'data');
  // As atftp: both its ACKs of block 8 were lost, and a third follows only after five seconds without a packet.
  let heard = 0;
  while (transfer.deadline - heard < 5_000) {
    heard = transfer.deadline;
    if (!t.equal(expireTransfer(transfer, heard), 'data')) return;
  }
  t.ok(heard < 15_000, `${heard} ms`);
  t.equal(acknowledgeBlock(transfer, 8, heard + 5_000), 'data');
});

t.test(
  'TFTP 5: in lock step a duplicate ACK never causes a resend (the sorcerer’s apprentice)',
  async (t) => {
    const transfer = start();
    t.equal(acknowledgeBlock(transfer, 1, 1), 'data');
    for (const wire of [1, 1, 0, 65535]) t.equal(acknowledgeBlock(transfer, wire, 2), 'none', `ACK ${wire}`);
    t.equal(transfer.resends, 0);
    const doubled = simulateLink({ ...clean, copies: 2, client: 'edk2' });
    t.match(doubled, { step: 'finished', complete: true });
    t.equal(doubled.down, doubled.transfer.lastBlock + 1, 'every ACK doubled, no block twice');
  },
);

t.test(
  'TFTP 5: with windows duplicated ACKs and clients that acknowledge everything multiply nothing',
  async (t) => {
    for (const client of ['quiet', 'edk2'] as const) {
      for (const windowSize of [4, 64]) {
        const file = { fileSize: 1_000_000, windowSize, client };
        const lossOfOne = simulateLink({
          ...clean,
          ...file,
          loses: (way, nth) => way === 'down' && nth === 30,
        });
        t.match(lossOfOne, { step: 'finished', complete: true });
        const extra = lossOfOne.down - lossOfOne.transfer.lastBlock - 1;
        t.ok(extra <= 3 * windowSize, `one loss, window ${windowSize}, ${client}: ${extra} packets more`);
        const doubled = simulateLink({ ...clean, ...file, copies: 2 });
        t.match(doubled, { step: 'finished', complete: true });
        t.ok(doubled.down < 3 * doubled.transfer.lastBlock, `all ACKs doubled: ${doubled.down} packets`);
      }
    }
  },
);

t.test('a client that acknowledges every block of a window is not sent a window for each', async (t) => {
  const transfer = start({ fileSize: 512 * 5000, windowSize: 64 });
  let sent = transfer.sent;
  for (let block = 1; block < 5000; block++) {
    if (acknowledgeBlock(transfer, block, 0) === 'data') sent += transfer.sent - transfer.sendFrom + 1;
  }
  t.equal(acknowledgeBlock(transfer, 5000, 0), 'data');
  t.equal(acknowledgeBlock(transfer, 5001, 0), 'finished');
  t.ok(sent < 6 * 5000, `${sent} blocks for 5000`);
});

t.test('RFC 7440: one loss in twenty blocks is gone back to each time, to the end of the file', async (t) => {
  const transfer = start({ fileSize: 512 * 5000, windowSize: 64 });
  const wentBack: boolean[] = [];
  for (let block = 19; block < 4900; block += 19) {
    wentBack.push(acknowledgeBlock(transfer, block, 0) === 'data' && transfer.sendFrom === block + 1);
  }
  t.notOk(wentBack.includes(false));
});

t.test('TFTP 5: block numbers roll over to 0 past 65535', async (t) => {
  for (const windowSize of [1, 4, 64]) {
    const result = simulateLink({ ...clean, fileSize: 8 * 140_000 + 3, blockSize: 8, windowSize });
    t.match(result, { step: 'finished', complete: true, down: 140_002 }, `window ${windowSize}`);
  }
  const transfer = start({ fileSize: 8 * 70_000, blockSize: 8, windowSize: 4 });
  for (let block = 1; block <= 65_534; block++) acknowledgeBlock(transfer, block, 0);
  t.equal(acknowledgeBlock(transfer, 0, 0), 'data', 'the ACK of block 65536');
  t.equal(transfer.acknowledged, 65_536);
  t.equal(acknowledgeBlock(transfer, 65_535, 0), 'none', 'a late one of the block before');
});

t.test('TFTP 8: a gap inside a window is gone back to, never beyond the window', async (t) => {
  const transfer = start({ fileSize: 512 * 100, windowSize: 8 });
  t.equal(transfer.sent, 8);
  t.equal(acknowledgeBlock(transfer, 3, 1), 'data');
  t.same([transfer.acknowledged + 1, transfer.sent], [4, 11]);
  t.equal(acknowledgeBlock(transfer, 12, 2), 'none', 'an ACK of what was never sent');
});

t.test('TFTP 8: a gap inside the last window is mended before the transfer ends', async (t) => {
  const transfer = start({ fileSize: 512 * 5 + 1, windowSize: 4 });
  acknowledgeBlock(transfer, 4, 1);
  t.same([transfer.sent, transfer.lastBlock], [6, 6]);
  t.equal(acknowledgeBlock(transfer, 5, 2), 'data');
  t.same([transfer.acknowledged + 1, transfer.sent], [6, 6]);
  t.equal(acknowledgeBlock(transfer, 6, 3), 'finished');
  for (const client of ['quiet', 'edk2'] as const) {
    for (let lost = 48; lost <= 52; lost++) {
      const result = simulateLink({
        ...clean,
        windowSize: 4,
        client,
        loses: (way, nth) => way === 'down' && nth === lost,
      });
      t.match(result, { step: 'finished', complete: true }, `${client}, packet ${lost}`);
      t.ok(result.elapsed < 1000, `${result.elapsed} ms`);
    }
  }
});

t.test('RFC 7440: the ACK of the block before a window asks for the window once more, once', async (t) => {
  const transfer = start({ fileSize: 512 * 100, windowSize: 4 });
  acknowledgeBlock(transfer, 4, 1);
  t.equal(acknowledgeBlock(transfer, 4, 2), 'data');
  t.same([transfer.acknowledged + 1, transfer.sent], [5, 8]);
  for (let copy = 0; copy < 4; copy++)
    t.equal(acknowledgeBlock(transfer, 4, 3), 'none', 'explained by the resend');
});

t.test('TFTP 3: a missing final ACK is a success', async (t) => {
  for (const windowSize of [1, 4]) {
    const blocks = Math.ceil((52 - 1) / windowSize);
    const result = simulateLink({ ...clean, windowSize, loses: (way, nth) => way === 'up' && nth > blocks });
    t.match(result, { step: 'finished-unacknowledged', complete: true }, `window ${windowSize}`);
    t.ok(result.elapsed > 9000, `a link that is away for some seconds is waited for: ${result.elapsed} ms`);
    t.ok(result.elapsed < 15_000, `given up after ${result.elapsed} ms`);
  }
  const transfer = start({ fileSize: 100, negotiating: true });
  acknowledgeBlock(transfer, 0, 0);
  t.ok(errorEndsWell(transfer, 5), 'a port that is closed already says so');
  t.notOk(errorEndsWell(transfer, 0));
});

t.test('TFTP 6: a silent client is given up, and so is one that only repeats itself', async (t) => {
  const silent = simulateLink({ ...clean, loses: () => true });
  t.equal(silent.step, 'stalled');
  t.equal(silent.down, 4, 'packets to a client that may not exist');
  const never = simulateLink({ ...clean, negotiating: false, fileSize: 10, loses: (way) => way === 'up' });
  t.equal(never.step, 'stalled', 'one block, never acknowledged, is no success');
  // Large packets never get through: the client asks for block 1 for ever.
  const blackHole = simulateLink({
    ...clean,
    clientTimeout: 1000,
    loses: (way, nth) => way === 'down' && nth > 1,
  });
  t.match(blackHole, { step: 'stalled', complete: false });
  t.ok(blackHole.elapsed < 40_000, `${blackHole.elapsed} ms`);
});

t.test('1 MB over a link that loses 0.5 % takes well under two seconds', async (t) => {
  for (const blockSize of [512, 1432, 1468]) {
    for (const windowSize of [1, 4, 16]) {
      for (let seed = 1; seed <= 5; seed++) {
        const random = seededRandom(seed);
        const link = { ...clean, fileSize: 1_048_576, blockSize, windowSize, loses: () => random() < 0.005 };
        const result = simulateLink(link);
        t.ok(result.complete);
        const wait = result.elapsed - 2 * link.delay * Math.ceil(result.transfer.lastBlock / windowSize);
        t.ok(wait < 1500, `block ${blockSize}, window ${windowSize}: ${Math.round(wait)} ms lost`);
      }
    }
  }
});

t.test('whatever is lost, the client gets every block in order or the transfer is given up', async () => {
  const link = fc.record({
    fileSize: fc.integer({ min: 0, max: 40_000 }),
    blockSize: fc.constantFrom(8, 512, 1468),
    windowSize: fc.constantFrom(1, 2, 4, 16, 64),
    client: fc.constantFrom('quiet' as const, 'edk2' as const),
    delay: fc.constantFrom(0, 0.2, 5, 80),
    copies: fc.constantFrom(1, 1, 2),
    clientTimeout: fc.constantFrom(200, 1000, 4000),
    negotiating: fc.boolean(),
    seed: fc.integer(),
    loss: fc.constantFrom(0, 0.01, 0.05, 0.2),
  });
  fc.assert(
    fc.property(link, ({ seed, loss, ...options }) => {
      const random = seededRandom(seed);
      const result = simulateLink({ ...clean, ...options, loses: () => random() < loss });
      if (result.step === 'finished') return result.complete;
      return result.step === 'finished-unacknowledged' || loss === 0.2;
    }),
    { numRuns: 400 },
  );
});
