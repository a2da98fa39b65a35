import t from 'tap';
import { chooseRole } from '../../src/boot/choose-role.ts';
import type { MachineFacts } from '../../src/machine/facts.ts';
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
    const chosen = chooseRole(facts, catalog);
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
  t.equal(chooseRole(facts, catalogOf([], { rules })).role?.name, 'controller');
  t.equal(chooseRole({ mac: MAC }, catalogOf([], { rules })).role?.name, 'worker', 'its serial is not known');
});

t.test("the role's parameters give way to the rule's, and those to the machine's", async (t) => {
  const rules = [rule({ parameters: { level: 'rule', port: 2 } })];
  const machine = entry({ parameters: { port: 3, own: true } });
  t.same(chooseRole(facts, catalogOf([machine], { rules })).parameters, {
    image: 'controller-image',
    level: 'rule',
    port: 3,
    own: true,
  });
  const listed = entry({ role: 'rescue', parameters: { port: 3 } });
  t.same(
    chooseRole(facts, catalogOf([listed], { rules })).parameters,
    { image: 'rescue-image', level: 'role', port: 3 },
    'a rule that was not asked changes nothing',
  );
});

t.test('an entry keeps what it says beside the role', async (t) => {
  const machine = entry({ hostname: 'edge-9' });
  t.equal(chooseRole(facts, catalogOf([machine], { defaultRole: 'worker' })).entry?.hostname, 'edge-9');
});

t.test('a role that is not there is none, with the reason', async (t) => {
  const chosen = chooseRole(facts, catalogOf([entry({ role: 'gone' })]));
  t.equal(chosen.role, undefined);
  t.match(chosen.reasons.join('; '), /there is no role gone/);
});
