import t from 'tap';
import { chooseRole } from '../../src/boot/choose-role.ts';
import type { OnceChoice } from '../../src/boot/judge-once.ts';
import type { MachineFacts } from '../../src/machine/facts.ts';
import { NO_USES, type OnceUse, type OnceUses } from '../../src/machine/once.ts';
import type { Catalog, MachineEntry, Role, Rule } from '../../src/machine/role.ts';
import { makeCatalog } from '../support/make-environment.ts';
import { MAC } from '../support/make-request.ts';
import { makeRole } from '../support/make-role.ts';

const roles = new Map<string, Role>(
  ['worker', 'controller', 'rescue'].map((name) => [
    name,
    makeRole(name, { image: `${name}-image`, level: 'role', port: 1 }),
  ]),
);
const entry = (rest: Partial<MachineEntry> = {}): MachineEntry => ({
  mac: MAC,
  parameters: {},
  line: 2,
  ...rest,
});
const rule = (rest: Partial<Rule> = {}): Rule => ({
  match: {},
  role: 'controller',
  parameters: {},
  line: 5,
  ...rest,
});
const catalogOf = (entries: readonly MachineEntry[], rest: Partial<Catalog> = {}): Catalog =>
  makeCatalog(entries, { roles, ...rest });
const facts: MachineFacts = { mac: MAC, arch: 'x86_64', serial: '7CX1' };

t.test('an entry by MAC beats every rule, a rule beats the default', async (t) => {
  const rules = [rule()];
  const rows: [string, Catalog, string | undefined, RegExp][] = [
    [
      'entry',
      catalogOf([entry({ role: 'rescue' })], { rules, defaultRole: 'worker' }),
      'rescue',
      /machines\.yaml:2 gives/,
    ],
    [
      'rule',
      catalogOf([], { rules, defaultRole: 'worker' }),
      'controller',
      /machines\.yaml:5: the rule for any machine/,
    ],
    ['entry without a role', catalogOf([entry()], { rules }), 'controller', /machines\.yaml:5/],
    ['default', catalogOf([], { defaultRole: 'worker' }), 'worker', /no rule matches.*default: worker/],
    ['none', catalogOf([]), undefined, /no rule matches.*default: none/],
  ];
  for (const [name, catalog, role, why] of rows) {
    const chosen = chooseRole(facts, catalog, NO_USES);
    t.equal(chosen.role?.name, role, name);
    t.match(chosen.reasons.join('; '), why, name);
  }
});

t.test('of the rules the first that matches wins', async (t) => {
  const rules = [
    rule({ match: { serial: 'OTHER*' }, role: 'rescue', line: 5 }),
    rule({ match: { serial: '7CX*' }, role: 'controller', line: 6 }),
    rule({ match: {}, role: 'worker', line: 7 }),
  ];
  t.equal(chooseRole(facts, catalogOf([], { rules }), NO_USES).role?.name, 'controller');
  t.equal(
    chooseRole({ mac: MAC }, catalogOf([], { rules }), NO_USES).role?.name,
    'worker',
    'its serial is not known',
  );
});

t.test("the role's parameters give way to the rule's, and those to the machine's", async (t) => {
  const rules = [rule({ parameters: { level: 'rule', port: 2 } })];
  const machine = entry({ parameters: { port: 3, own: true } });
  t.same(chooseRole(facts, catalogOf([machine], { rules }), NO_USES).parameters, {
    image: 'controller-image',
    level: 'rule',
    port: 3,
    own: true,
  });
  const listed = entry({ role: 'rescue', parameters: { port: 3 } });
  t.same(
    chooseRole(facts, catalogOf([listed], { rules }), NO_USES).parameters,
    { image: 'rescue-image', level: 'role', port: 3 },
    'a rule that was not asked changes nothing',
  );
});

t.test('an entry keeps what it says beside the role', async (t) => {
  const machine = entry({ hostname: 'edge-9' });
  t.equal(
    chooseRole(facts, catalogOf([machine], { defaultRole: 'worker' }), NO_USES).entry?.hostname,
    'edge-9',
  );
});

t.test('a role that is not there is none, with the reason', async (t) => {
  const chosen = chooseRole(facts, catalogOf([entry({ role: 'gone' })]), NO_USES);
  t.equal(chosen.role, undefined);
  t.match(chosen.reasons.join('; '), /there is no role gone/);
});

t.test('a `once:` beats the role of its entry until it is used up', async (t) => {
  const listed = entry({ role: 'worker', once: 'rescue', parameters: { port: 3 } });
  const use: OnceUse = { mac: MAC, role: 'rescue', since: 1, tries: 1, sessionId: 4 };
  const rows: [string, OnceUse | undefined, boolean, string, OnceChoice['state'], RegExp][] = [
    ['never booted', undefined, false, 'rescue', 'next', /once: rescue: boot 1 of 3$/],
    ['one boot failed', use, false, 'rescue', 'next', /boot 2 of 3, since 1 boot did not succeed/],
    ['it boots now', use, true, 'rescue', 'underWay', /boot 1 of 3, which is under way/],
    ['the last boot goes on', { ...use, tries: 3 }, true, 'rescue', 'underWay', /boot 3 of 3/],
    ['three boots failed', { ...use, tries: 3 }, false, 'rescue', 'spent', /3 boots did not report success/],
    ['success', { ...use, doneAt: 2 }, false, 'worker', 'used', /used up: it succeeded at 1970.*role worker/],
    ['nobody knows', { ...use, isUnknown: true }, false, 'rescue', 'spent', /is not known: the database/],
    ['another one succeeded', { ...use, role: 'worker', doneAt: 2 }, false, 'rescue', 'next', /boot 1 of 3$/],
  ];
  for (const [name, known, underWay, role, state, why] of rows) {
    const uses: OnceUses = { useOf: () => known, isUnderWay: () => underWay };
    const chosen = chooseRole(facts, catalogOf([listed], { rules: [rule()] }), uses);
    t.equal(chosen.role?.name, role, name);
    t.equal(chosen.once?.state, state, name);
    t.match(chosen.reasons.join('; '), why, name);
    t.equal(chosen.parameters.port, 3, name);
  }
});

t.test('an entry whose `once:` is used up and that has no role is given one by rules', async (t) => {
  const uses: OnceUses = {
    useOf: () => ({ mac: MAC, role: 'rescue', since: 1, tries: 1, doneAt: 2 }),
    isUnderWay: () => false,
  };
  const chosen = chooseRole(facts, catalogOf([entry({ once: 'rescue' })], { rules: [rule()] }), uses);
  t.equal(chosen.role?.name, 'controller');
});
