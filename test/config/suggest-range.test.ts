import t from 'tap';
import { suggestRange } from '../../src/config/suggest-range.ts';
import { formatRange, type Ipv4, parseIpv4 } from '../../src/machine/ipv4.ts';

const address = (text: string): Ipv4 => parseIpv4(text) as Ipv4;

const CASES: readonly [
  own: string,
  prefix: number,
  excluded: readonly string[],
  range: string | undefined,
][] = [
  ['10.77.0.1', 24, [], '10.77.0.100-10.77.0.200'],
  ['10.77.3.1', 16, [], '10.77.3.100-10.77.3.200'],
  ['10.77.0.120', 24, [], '10.77.0.121-10.77.0.200'],
  ['10.77.0.180', 24, [], '10.77.0.100-10.77.0.179'],
  ['10.77.0.1', 24, ['10.77.0.150', '10.77.0.160', '192.0.2.1'], '10.77.0.100-10.77.0.149'],
  ['10.77.0.129', 25, [], '10.77.0.130-10.77.0.254'],
  ['10.77.0.1', 30, [], '10.77.0.2-10.77.0.2'],
  ['10.77.0.1', 30, ['10.77.0.2'], undefined],
  ['10.77.0.0', 31, [], undefined],
  ['10.77.0.1', 32, [], undefined],
];

for (const [own, prefix, excluded, expected] of CASES) {
  const but = excluded.length === 0 ? '' : ` without ${excluded.join(', ')}`;
  t.test(`in ${own}/${prefix}${but} the range is ${expected ?? 'nothing'}`, async (t) => {
    const range = suggestRange({ address: address(own), prefix }, excluded.map(address));
    t.equal(range === undefined ? undefined : formatRange(range), expected);
  });
}
