import t from 'tap';
import { describeRequest, readable } from '../../src/servers/tftp-texts.ts';

t.test('what a client calls a file is shown without what a terminal would act on', async (t) => {
  t.equal(readable('a\u001b[31m\u009b0m\nb\u2028c'), 'a?[31m?0m?b?c');
  t.equal(readable('gpj.\u202egnp.exe\ufeff'), 'gpj.?gnp.exe?', 'marks that turn the direction of writing');
  t.equal(
    describeRequest({ kind: 'read', name: 'x\u202e', mode: 'OCTET', options: new Map([['tsize', '0']]) }),
    'RRQ x? (octet, tsize 0)',
  );
});

t.test('a long text is cut, and not within a character', async (t) => {
  t.equal(readable('x'.repeat(200)), 'x'.repeat(200));
  t.equal(readable('x'.repeat(201)), `${'x'.repeat(200)}…`);
  t.equal(readable(`${'x'.repeat(199)}\u{1f525}y`), `${'x'.repeat(199)}…`);
});
