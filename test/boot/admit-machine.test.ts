import t from 'tap';
import {
  type Admission,
  type AdmissionDecision,
  type AdmissionInput,
  admitMachine,
  NO_PLACES,
} from '../../src/boot/admit-machine.ts';
import { ruleKey } from '../../src/boot/rule-key.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { Rule } from '../../src/machine/role.ts';
import { MAC } from '../support/make-request.ts';

const entry = { mac: MAC, parameters: {}, line: 1 };
const rule: Rule = { match: { serial: 'CZ*' }, role: 'worker', parameters: {}, line: 7 };
const key = ruleKey(rule);

function admit(admission: Admission, rest: Partial<AdmissionInput> = {}): AdmissionDecision {
  return admitMachine({ admission, mac: MAC, entry: undefined, rule: undefined, places: NO_PLACES, ...rest });
}

t.test('who is admitted depends on the mode and on having an entry', async (t) => {
  const rows: [Admission, boolean, AdmissionDecision['admitted'], string][] = [
    ['open', false, 'yes', 'admission: open'],
    ['open', true, 'yes', 'admission: open'],
    ['approve', false, 'waits', 'admission: approve, and machines.yaml does not list it'],
    ['approve', true, 'yes', 'admission: approve, and machines.yaml lists it'],
    ['listed', false, 'no', 'admission: listed, and machines.yaml does not list it'],
    ['listed', true, 'yes', 'admission: listed, and machines.yaml lists it'],
  ];
  for (const [admission, listed, admitted, reason] of rows) {
    const name = `${admission}, ${listed ? 'listed' : 'unknown'}`;
    const decided = admit(admission, listed ? { entry } : {});
    t.same(decided, { admitted, reasons: [reason] }, name);
    t.same(admit(admission, { rule, ...(listed ? { entry } : {}) }), decided, `${name}, a rule without max`);
  }
});

t.test('a rule with max admits so many, and the reason always says the count', async (t) => {
  const rows: [string, Admission, number, boolean, AdmissionDecision['admitted'], RegExp][] = [
    [
      'the first',
      'approve',
      0,
      false,
      'yes',
      /^admission: approve, and the rule on line 7 admits it \(1 of 20\)$/,
    ],
    ['the last', 'approve', 19, false, 'yes', /admits it \(20 of 20\)/],
    ['one too many', 'approve', 20, false, 'waits', /admits no more \(20 of 20\): approve it, raise/],
    ['one of them, again', 'approve', 20, true, 'yes', /has admitted it already \(20 of 20\)/],
    ['one of them, max was lowered', 'approve', 25, true, 'yes', /already \(25 of 20\)/],
    ['a new one, max was lowered', 'approve', 25, false, 'waits', /\(25 of 20\)/],
    ['listed: there is room', 'listed', 3, false, 'yes', /^admission: listed.* \(4 of 20\)/],
    ['listed: one too many', 'listed', 20, false, 'no', /\(20 of 20\)/],
    ['open: there is room', 'open', 0, false, 'yes', /^admission: open.* \(1 of 20\)/],
    ['open: beyond it a machine waits', 'open', 20, false, 'waits', /\(20 of 20\)/],
  ];
  for (const [name, admission, count, has, admitted, reason] of rows) {
    const places = {
      ruleOf: (mac: Mac) => (has && mac === MAC ? key : undefined),
      countOf: (asked: string) => (asked === key ? count : 0),
    };
    const decided = admit(admission, { rule: { ...rule, max: 20 }, places });
    t.equal(decided.admitted, admitted, name);
    t.match(decided.reasons, [reason], name);
    t.equal(decided.place, admitted === 'yes' ? key : undefined, `${name}: its place`);
    t.same(
      admit(admission, { rule: { ...rule, max: 20 }, places, entry }).place,
      undefined,
      `${name}: with an entry it takes none`,
    );
  }
});

t.test('a place with another rule is none with this one', async (t) => {
  const other = ruleKey({ ...rule, role: 'storage' });
  const places = { ruleOf: () => other, countOf: (asked: string) => (asked === key ? 1 : 0) };
  t.match(admit('approve', { rule: { ...rule, max: 1 }, places }), { admitted: 'waits' });
  t.match(admit('approve', { rule: { ...rule, max: 2 }, places }), { admitted: 'yes', place: key });
});
