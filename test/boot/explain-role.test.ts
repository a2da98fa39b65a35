import t from 'tap';
import { explainRole } from '../../src/boot/explain-role.ts';
import type { MachineFacts } from '../../src/machine/facts.ts';
import { NO_USES } from '../../src/machine/once.ts';
import type { Catalog, MachineEntry, Rule } from '../../src/machine/role.ts';
import { makeCatalog } from '../support/make-environment.ts';
import { MAC } from '../support/make-request.ts';
import { makeRole } from '../support/make-role.ts';

const roles = new Map(['worker', 'rescue'].map((name) => [name, makeRole(name)]));
const entry = (rest: Partial<MachineEntry> = {}): MachineEntry => ({
  mac: MAC,
  parameters: {},
  line: 2,
  ...rest,
});
const rule = (rest: Partial<Rule>): Rule => ({ match: {}, role: 'rescue', parameters: {}, line: 5, ...rest });
const facts: MachineFacts = { mac: MAC, arch: 'x86_64' };
const rules = [
  rule({ match: { arch: 'arm64' }, line: 5 }),
  rule({ match: { serial: '7*' }, line: 6 }),
  rule({ line: 7 }),
];

t.test('the source of a role is named with its line, and with the rules that were passed over', async (t) => {
  const rows: [string, readonly MachineEntry[], Partial<Catalog>, object, readonly RegExp[]][] = [
    ['an entry', [entry({ role: 'worker' })], { rules }, { from: 'entry', line: 2 }, [/:2 gives/]],
    [
      'a rule',
      [],
      { rules },
      { from: 'rule', line: 7 },
      [
        /:5: the rule for arch=arm64 does not match: its arch is x86_64/,
        /:6: .*serial is not known/,
        /:7: the rule for any/,
      ],
    ],
    [
      'an entry without a role',
      [entry({ hostname: 'one' })],
      { rules },
      { from: 'rule', line: 7 },
      [/:2 lists .* without a role/, /:5:/, /:6:/, /:7:/],
    ],
    [
      'the default',
      [],
      { rules: rules.slice(0, 1), defaultRole: 'worker' },
      { from: 'default', line: undefined },
      [/:5: .*does not match/, /no rule matches/, /default: worker/],
    ],
    ['nothing', [], {}, { from: 'none', line: undefined }, [/no rule matches/, /default: none/]],
  ];
  for (const [name, entries, rest, expected, reasons] of rows) {
    const explained = explainRole(facts, makeCatalog(entries, { roles, ...rest }), NO_USES);
    t.match(explained, expected, name);
    t.equal(explained.reasons.length, reasons.length, explained.reasons.join('\n'));
    reasons.forEach((reason, at) => t.match(explained.reasons[at], reason, name));
  }
});

t.test('of hundreds of rules that do not match most are counted', async (t) => {
  const many = Array.from({ length: 300 }, (_, at) => rule({ match: { serial: `S${at}` }, line: at + 1 }));
  const { reasons } = explainRole(
    facts,
    makeCatalog([], { roles, rules: many, defaultRole: 'worker' }),
    NO_USES,
  );
  t.equal(reasons.length, 23);
  t.equal(reasons[20], '280 more rules do not match');
});
