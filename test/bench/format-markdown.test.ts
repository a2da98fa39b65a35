import t from 'tap';
import { formatMarkdown } from '../../bench/support/format-markdown.ts';

void t.test('a line a kind of work, beside the hardest peer', async (t) => {
  const page = formatMarkdown(
    [
      {
        name: 'tftp',
        title: 'TFTP, three rounds',
        points: [
          {
            work: '64 clients',
            unit: 'files/s',
            better: 'higher',
            own: [90, 110, 100],
            peers: { dnsmasq: [100, 100, 100], 'tftpd-hpa': [10, 10, 10] },
            goal: 1,
          },
          { work: 'alone', unit: 'MiB', better: 'lower', own: [7], peers: {} },
        ],
        notes: ['Said below.'],
      },
      {
        name: 'memory',
        title: 'Memory',
        points: [{ work: 'rest', unit: 'MiB', better: 'lower', own: [80], peers: {} }],
      },
    ],
    'One host',
  );
  t.match(page, /^One host\.$/m);
  t.ok(
    page.includes(
      '| 64 clients | 100 files/s (90.0–110) | dnsmasq: 100 files/s | 1.00 × (0.900–1.10) | 1.00 × reached |',
    ),
    page,
  );
  t.ok(page.includes('| alone | 7.00 MiB |  |  |  |'));
  t.ok(page.includes('| rest | 80.0 MiB |'), 'no empty columns where nobody is compared with');
  t.ok(page.includes('- Said below.'));
});
