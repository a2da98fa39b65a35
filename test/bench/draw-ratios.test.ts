import t from 'tap';
import type { BenchTable } from '../../bench/support/bench-table.ts';
import { drawRatios, placeOf } from '../../bench/support/draw-ratios.ts';
import { formatNumber, formatTable } from '../../bench/support/format-table.ts';

const table: BenchTable = {
  name: 'tftp',
  title: 'TFTP',
  points: [
    {
      work: '1 < 2 clients',
      unit: 'files/s',
      better: 'higher',
      own: [2000, 2200, 1234.5],
      peers: { dnsmasq: [1000, 1100, 1000] },
      goal: 1.5,
    },
    { work: 'alone', unit: 's', better: 'lower', own: [0.1234], peers: {} },
  ],
  notes: ['a limit'],
};

t.test('a table says medians, spreads, ratios and whether the goal is reached', async (t) => {
  t.equal(
    formatTable(table),
    `TFTP
  1 < 2 clients  tinderbox  2,000 files/s  (1,235–2,200)  reached 1.50 × dnsmasq
                 dnsmasq    1,000 files/s  (1,000–1,100)  Tinderbox is 2.00 × (1.23–2.00)
  alone          tinderbox        0.123 s  (0.123–0.123)
  a limit
`,
  );
});

t.test('numbers have the digits that count', async (t) => {
  t.strictSame([1_234_567, 123.4, 12.34, 1.234, 0.01234, Number.POSITIVE_INFINITY].map(formatNumber), [
    '1,234,567',
    '123',
    '12.3',
    '1.23',
    '0.012',
    '∞',
  ]);
});

t.test(
  'twice as good lies as far from the line as half as good, and nothing leaves the picture',
  async (t) => {
    t.ok(Math.abs(placeOf(2) - placeOf(1) - (placeOf(1) - placeOf(0.5))) < 1e-9);
    t.equal(placeOf(0), placeOf(0.001));
    t.equal(placeOf(Number.POSITIVE_INFINITY), placeOf(1e9));
  },
);

t.test('the picture shows points that have a peer, with their texts escaped', async (t) => {
  const svg = drawRatios([table], 'a host');
  t.match(svg, /1 &lt; 2 clients, files\/s — dnsmasq/);
  t.notMatch(svg, /alone/);
  t.match(svg, /class="goal"/);
  t.notMatch(svg, /NaN|undefined|Infinity/);
});
