import t from 'tap';
import { formatDuration } from '../../../src/admin/page/format-values.ts';
import { formatAge } from '../../../src/boot/format-age.ts';

t.test('ages, durations and sizes are short', (t) => {
  t.same([-5, 0, 59_999, 60_000, 3_600_000, 86_400_000 * 3].map(formatAge), [
    '0s',
    '0s',
    '59s',
    '1m',
    '1h',
    '3d',
  ]);
  t.same([-1, 340, 12_345, 59_999, 125_000, 11_220_000].map(formatDuration), [
    '0 ms',
    '340 ms',
    '12.3 s',
    '59.9 s',
    '2 min 05 s',
    '3 h 07 min',
  ]);
  t.end();
});
