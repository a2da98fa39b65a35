import t from 'tap';
import { plainText } from '../../../src/admin/page/plain-text.ts';

t.test('a text of the network is one line, without what nobody sees, and bounded', (t) => {
  const table: readonly [given: string, most: number, shown: string][] = [
    ['node-1', 64, 'node-1'],
    ['a\u0000b\u001b[31mc\nd', 64, 'ab[31mcd'],
    ['abc\u202egnp.exe', 64, 'abcgnp.exe'],
    ['a\u200bb\ufeffc', 64, 'abc'],
    ['x'.repeat(100), 8, 'xxxxxxx…'],
    ['\u0000'.repeat(1000), 8, '…'],
    ['😀'.repeat(9), 4, '😀😀😀…'],
    ['', 4, ''],
  ];
  for (const [given, most, shown] of table)
    t.equal(plainText(given, most), shown, JSON.stringify(given).slice(0, 30));
  t.end();
});
