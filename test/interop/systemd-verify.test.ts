import t from 'tap';
import { renderRole, SHIPPED_ROLES } from '../profiles/support/render-role.ts';
import { situationsOf } from '../profiles/support/situations.ts';
import { verifyUnits } from '../profiles/support/verify-units.ts';

t.test('systemd has nothing against the units of any role', async (t) => {
  for (const role of SHIPPED_ROLES.values()) {
    if (role.config?.format !== 'cloud-config') continue;
    const seen = new Set<string>();
    for (const [what, options] of situationsOf(role)) {
      // Roles of a control plane are nothing without a cluster.
      if (options.cluster === null && role.identity !== 'worker') continue;
      const config = renderRole(role, options);
      const units = JSON.stringify(config.coreos);
      if (seen.has(units)) continue;
      seen.add(units);
      t.strictSame(verifyUnits(config), [], `${role.name}, ${what}`);
    }
  }
});

t.test('it would say what is wrong with one', async (t) => {
  const table: readonly [string, string, RegExp][] = [
    ['an unknown key', '[Service]\nExecStart=/bin/true\nExecStrat=/bin/true\n', /Unknown key/],
    [
      'a unit that is not there',
      '[Unit]\nRequires=nobody.service\n[Service]\nExecStart=/bin/true\n',
      /nobody\.service/,
    ],
    ['a service that does nothing', '[Service]\nRestart=always\n', /ExecStart/],
  ];
  for (const [what, content, problem] of table) {
    const config = { hostname: 'h', coreos: { units: [{ name: 'a.service', content }] } };
    t.match(verifyUnits(config).join('\n'), problem, what);
  }
});
