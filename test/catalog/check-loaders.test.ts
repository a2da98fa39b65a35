import t from 'tap';
import { SHIMS } from '../../src/boot/choose-loaders.ts';
import { checkLoaders } from '../../src/catalog/check-loaders.ts';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import { parseIpv4 } from '../../src/machine/ipv4.ts';
import type { Role, Rule, RuleMatch } from '../../src/machine/role.ts';
import { makeRole } from '../support/make-role.ts';

const roles = new Map(
  [
    makeRole('plain'),
    makeRole('other'),
    { ...makeRole('secure'), loaders: SHIMS } satisfies Role,
    { ...makeRole('grub'), loaders: new Map([['uefi-x64', 'grubx64.efi']]) } satisfies Role,
  ].map((role): [string, Role] => [role.name, role]),
);

function check(rules: readonly (readonly [RuleMatch, string])[], defaultRole: string | null) {
  return checkLoaders({
    roles,
    rules: rules.map(([match, role], index): Rule => ({ match, role, parameters: {}, line: index + 1 })),
    defaultRole,
    file: 'machines.yaml',
  });
}

const relay = (text: string) => parseIpv4(text) as Ipv4;

t.test('a loader may depend on what DHCP knows, and on nothing else', (t) => {
  const rows: readonly (readonly [
    why: string,
    rules: readonly (readonly [RuleMatch, string])[],
    defaultRole: string | null,
    lines: readonly number[],
  ])[] = [
    ['by MAC', [[{ mac: '52:54:00:*' }, 'secure']], 'plain', []],
    [
      'by all that DHCP knows',
      [[{ uuid: '1*', arch: 'x86_64', relay: relay('10.0.0.1') }, 'secure']],
      null,
      [],
    ],
    ['by the serial number', [[{ serial: 'CZ*' }, 'secure']], 'plain', [1]],
    ['by the serial number, with no default', [[{ serial: 'CZ*' }, 'secure']], null, [1]],
    ['by both', [[{ mac: '52:*', product: 'R640' }, 'secure']], 'plain', [1]],
    ['until then by the default, which is the same', [[{ serial: 'CZ*' }, 'secure']], 'secure', []],
    ["another role's until then", [[{ serial: 'CZ*' }, 'plain']], 'secure', [1]],
    ['both have none', [[{ serial: 'CZ*' }, 'plain']], 'other', []],
    ['other loaders of their own', [[{ asset: 'x' }, 'grub']], 'secure', [1]],
    [
      'a rule in between',
      [
        [{ serial: 'CZ*' }, 'plain'],
        [{ mac: '52:*' }, 'secure'],
      ],
      'other',
      [1],
    ],
    [
      'a rule in between that is for all',
      [
        [{ serial: 'CZ*' }, 'plain'],
        [{}, 'other'],
      ],
      'secure',
      [],
    ],
    [
      'a rule in between for other machines',
      [
        [{ serial: 'C*', arch: 'arm64' }, 'plain'],
        [{ arch: 'x86_64' }, 'secure'],
      ],
      'other',
      [],
    ],
    [
      'a rule before it',
      [
        [{ mac: '52:*' }, 'secure'],
        [{ serial: 'CZ*' }, 'plain'],
      ],
      'other',
      [],
    ],
    [
      'late rules one after the other',
      [
        [{ serial: 'C*' }, 'plain'],
        [{ serial: 'D*' }, 'secure'],
      ],
      'plain',
      [2],
    ],
  ];
  for (const [why, rules, defaultRole, lines] of rows) {
    t.same(
      check(rules, defaultRole).map(({ line }) => line),
      lines,
      why,
    );
  }
  t.equal(
    check([[{ serial: 'CZ*' }, 'secure']], 'plain')[0]?.message,
    'the role secure has other loaders than plain (default), and serial of this rule (serial=CZ*) is not known in DHCP, when the loader is chosen',
  );
  t.end();
});

const menu = (loaders?: Role['loaders']): Role => ({
  ...makeRole('menu'),
  boot: {
    kind: 'menu',
    title: 'What?',
    timeout: 10,
    default: 'plain',
    choices: [
      { role: 'plain', label: 'a', line: 4 },
      { role: 'secure', label: 'b', line: 5 },
    ],
  },
  ...(loaders === undefined ? {} : { loaders }),
});
const lines = (role: Role) =>
  checkLoaders({ roles: new Map([...roles, ['menu', role]]), rules: [], defaultRole: null, file: 'm' }).map(
    ({ line }) => line,
  );

t.test('a menu offers only roles with its own loaders', (t) => {
  t.same(lines(menu()), [5]);
  t.same(lines(menu(SHIMS)), [4]);
  t.end();
});
