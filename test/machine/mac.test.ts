import fc from 'fast-check';
import t from 'tap';
import { type Mac, macFromBytes, macToBytes, parseMac } from '../../src/machine/mac.ts';

const MAC = '52:54:00:ab:cd:ef';

t.test('every common spelling is the same machine', async (t) => {
  const spellings = [
    '52:54:00:ab:cd:ef',
    '52:54:00:AB:CD:EF',
    '52-54-00-ab-cd-ef',
    '5254.00ab.cdef',
    '525400abcdef',
    ' 525400ABCDEF\n',
  ];
  for (const text of spellings) t.equal(parseMac(text), MAC, text);
});

t.test('what is no MAC is none', async (t) => {
  const others = [
    '',
    '52:54:00:ab:cd',
    '52:54:00:ab:cd:ef:01',
    '52:54-00:ab:cd:ef',
    '52 54 00 ab cd ef',
    '5254:00ab:cdef',
    '52:54:00:ab:cd:eg',
    '525400abcde',
    '5:54:00:ab:cd:ef',
  ];
  for (const text of others) t.equal(parseMac(text), undefined, text);
});

t.test('bytes and text are two forms of one thing', async (t) => {
  t.equal(macFromBytes(macToBytes(MAC as Mac)), MAC);
  t.equal(macFromBytes(Uint8Array.of(0, 1, 2, 3, 4, 5, 9, 9)), '00:01:02:03:04:05', 'chaddr has 16');
  t.throws(() => macFromBytes(Uint8Array.of(1, 2, 3, 4, 5)), RangeError);
});

t.test('any six bytes are spelled right, however many others were spelled before', async () => {
  const bytes = fc.uint8Array({ minLength: 6, maxLength: 6 });
  // Few last bytes: such as would share a place in what is remembered.
  const alike = fc
    .tuple(fc.nat(3), fc.nat(3), fc.nat(3))
    .map(([a, b, c]) => Uint8Array.of(a, 0, 0, b << 3, 0, c));
  fc.assert(
    fc.property(fc.array(fc.oneof(bytes, alike), { minLength: 1, maxLength: 200 }), (all) =>
      all.every((one) => macFromBytes(one) === Buffer.from(one).toString('hex').match(/../g)?.join(':')),
    ),
  );
});
