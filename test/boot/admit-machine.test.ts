import t from 'tap';
import { type Admission, type AdmissionDecision, admitMachine } from '../../src/boot/admit-machine.ts';
import { MAC } from '../support/make-request.ts';

t.test('who is admitted depends on the mode and on having an entry', async (t) => {
  const entry = { mac: MAC, parameters: {}, line: 1 };
  const rows: [Admission, boolean, AdmissionDecision['admitted'], string][] = [
    ['open', false, 'yes', 'admission: open'],
    ['open', true, 'yes', 'admission: open'],
    ['approve', false, 'waits', 'admission: approve, and machines.yaml does not list it'],
    ['approve', true, 'yes', 'admission: approve, and machines.yaml lists it'],
    ['listed', false, 'no', 'admission: listed, and machines.yaml does not list it'],
    ['listed', true, 'yes', 'admission: listed, and machines.yaml lists it'],
  ];
  for (const [admission, listed, admitted, reason] of rows) {
    t.same(
      admitMachine(admission, listed ? entry : undefined),
      { admitted, reasons: [reason] },
      `${admission}, ${listed ? 'listed' : 'unknown'}`,
    );
  }
});
