import t from 'tap';
import {
  isAddresses,
  isLeaseTime,
  isNetwork,
  isOneOf,
  isRanges,
  rangesOf,
} from '../../src/cli/init-checks.ts';

const ROWS: readonly [
  check: (answer: string) => string | undefined,
  good: readonly string[],
  bad: readonly string[],
][] = [
  [isAddresses, ['', '10.77.0.1', '10.77.0.1, 10.77.0.2'], ['10.77.0', 'router', '10.77.0.1 x']],
  [
    isRanges,
    ['10.77.0.1-10.77.0.9', '10.77.0.1 - 10.77.0.9', '10.7.0.1-10.7.0.9,10.8.0.1-10.8.0.9'],
    ['', '10.77.0.9-10.77.0.1', '10.77.0.0/24'],
  ],
  [isNetwork, ['10.2.0.0/16'], ['10.2.0.1/16', '10.2.0.0', '']],
  [isLeaseTime, ['1h', '60', '30m'], ['', '10s', 'soon', '1w']],
  [isOneOf(['open', 'listed']), ['open'], ['', 'Open', 'shut']],
];

for (const [check, good, bad] of ROWS) {
  t.test(`an answer is taken or explained: ${good.join(' | ')}`, async (t) => {
    for (const answer of good) t.equal(check(answer), undefined, answer);
    for (const answer of bad) t.type(check(answer), 'string', answer);
  });
}

t.test('several ranges are read one by one', async (t) => {
  t.equal(rangesOf('10.7.0.1 - 10.7.0.9, 10.8.0.1-10.8.0.9').length, 2);
});
