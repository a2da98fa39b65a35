import t from 'tap';
import { createAddressLedger } from './address-ledger.ts';

const A = '10.77.0.5';
const B = '10.77.0.6';

t.test('an address that two hold at one time is seen, and one that came free is not', (t) => {
  const ledger = createAddressLedger(1_000);
  t.equal(ledger.take('alice', A, 0), undefined);
  t.equal(ledger.take('alice', A, 500), undefined, 'renewed');
  t.equal(ledger.take('bob', A, 1_400), `${A} was given to bob while alice holds it for another 0.1 s`);
  t.equal(ledger.take('carol', B, 0), undefined);
  t.equal(ledger.take('dave', B, 1_000), undefined, 'it has run out');
  ledger.release('carol', B);
  t.match(ledger.take('erin', B, 1_500), /dave holds it/, 'who has it no more cannot release it');
  ledger.release('erin', B);
  t.equal(ledger.take('dave', B, 1_501), undefined, 'released');
  t.end();
});

t.test('a machine that boots anew has only what it is given now', (t) => {
  const ledger = createAddressLedger(1_000);
  ledger.take('alice', A, 0);
  ledger.take('alice', B, 1);
  t.equal(ledger.take('bob', A, 2), undefined);
  t.equal(ledger.held(), 2);
  t.end();
});
