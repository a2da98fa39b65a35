import fc from 'fast-check';
import t from 'tap';
import { negotiateOptions } from '../../../src/protocol/tftp/negotiate-options.ts';

const ethernet = { fileSize: 74_213, mtu: 1500 };
const loopback = { fileSize: 74_213, mtu: 65_536 };
type Pairs = readonly (readonly [string, string])[];
const answerTo = (asked: Pairs, limits = ethernet) => {
  const { answer } = negotiateOptions(new Map(asked), limits);
  return answer === undefined ? [] : [...answer];
};

t.test('TFTP 2: what iPXE, EDK2 and others ask is answered in their order', async (t) => {
  const table: readonly (readonly [string, Pairs, Pairs])[] = [
    [
      'iPXE',
      [
        ['blksize', '1432'],
        ['tsize', '0'],
      ],
      [
        ['blksize', '1432'],
        ['tsize', '74213'],
      ],
    ],
    [
      'EDK2',
      [
        ['tsize', '0'],
        ['blksize', '1468'],
        ['windowsize', '4'],
      ],
      [
        ['tsize', '74213'],
        ['blksize', '1468'],
        ['windowsize', '4'],
      ],
    ],
    [
      'curl',
      [
        ['tsize', '0'],
        ['blksize', '512'],
        ['timeout', '6'],
      ],
      [
        ['tsize', '74213'],
        ['blksize', '512'],
        ['timeout', '6'],
      ],
    ],
    ['nothing', [], []],
    [
      'only what nobody knows',
      [
        ['multicast', ''],
        ['rollover', '0'],
      ],
      [],
    ],
  ];
  for (const [who, asked, answer] of table) t.same(answerTo(asked), answer, who);
});

t.test('TFTP 2: a value is answered smaller or not at all, never larger', async (t) => {
  const table: readonly (readonly [string, string, string | undefined])[] = [
    ['blksize', '7', undefined],
    ['blksize', '8', '8'],
    ['blksize', '1469', '1468'],
    ['blksize', '65464', '1468'],
    ['blksize', '65535', '1468'],
    ['blksize', '65536', undefined],
    ['blksize', '-8', undefined],
    ['blksize', '0x200', undefined],
    ['blksize', '1e3', undefined],
    ['blksize', '', undefined],
    ['blksize', '99999999999999999999', undefined],
    ['timeout', '0', undefined],
    ['timeout', '1', '1'],
    ['timeout', '255', '255'],
    ['timeout', '256', undefined],
    // The npm client sends milliseconds: never clamped, or it would refuse the OACK.
    ['timeout', '3000', undefined],
    ['windowsize', '0', undefined],
    ['windowsize', '1', '1'],
    ['windowsize', '64', '64'],
    ['windowsize', '65535', '64'],
    ['windowsize', '65536', undefined],
  ];
  for (const [name, value, answer] of table) {
    const expected = answer === undefined ? [] : [[name, answer]];
    t.same(answerTo([[name, value]]), expected, `${name} ${JSON.stringify(value)}`);
  }
  t.same(
    answerTo([['blksize', '65464']], loopback),
    [['blksize', '65464']],
    'the largest of all, on loopback',
  );
});

t.test('a window of large blocks is kept within what a socket holds', async (t) => {
  const asked = new Map([
    ['blksize', '65464'],
    ['windowsize', '64'],
  ]);
  const { windowSize, blockSize, reasons } = negotiateOptions(asked, loopback);
  t.equal(blockSize, 65_464);
  t.equal(windowSize, 2);
  t.match(reasons, [/windowsize 64 made 2/]);
});

t.test('without an option everything is as RFC 1350 has it', async (t) => {
  const { blockSize, windowSize, timeout, answer } = negotiateOptions(new Map(), ethernet);
  t.same(
    { blockSize, windowSize, timeout, answer },
    { blockSize: 512, windowSize: 1, timeout: undefined, answer: undefined },
  );
});

t.test('no request gets more than it asked for, and the answer is what is done', async () => {
  const name = fc.constantFrom('blksize', 'windowsize', 'timeout', 'tsize', 'other');
  const value = fc.oneof(fc.integer({ min: -10, max: 70_000 }).map(String), fc.string({ maxLength: 8 }));
  const mtu = fc.integer({ min: 0, max: 65_536 });
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), mtu, (pairs, size) => {
      const asked = new Map<string, string>(pairs);
      const {
        answer = new Map<string, string>(),
        blockSize,
        windowSize,
      } = negotiateOptions(asked, { fileSize: 9, mtu: size });
      for (const [option, given] of answer) {
        if (!asked.has(option)) return false;
        if (option !== 'tsize' && Number(given) > Number(asked.get(option))) return false;
      }
      return (
        blockSize === Number(answer.get('blksize') ?? 512) &&
        windowSize === Number(answer.get('windowsize') ?? 1)
      );
    }),
    { numRuns: 5000 },
  );
});

t.test('what a stranger wrote for a number is shown without what a terminal would act on', async (t) => {
  const { reasons } = negotiateOptions(new Map([['blksize', '148\u009b31m\u202e"\\ \u001b']]), ethernet);
  t.strictSame(reasons, ['blksize left out: "148?31m??? ?" is not within 8–65535']);
});
