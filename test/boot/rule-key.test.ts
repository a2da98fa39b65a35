import t from 'tap';
import { ruleKey } from '../../src/boot/rule-key.ts';
import { type Ipv4Network, parseNetwork } from '../../src/machine/ipv4.ts';
import type { RuleMatch } from '../../src/machine/role.ts';
import { ip } from '../support/make-environment.ts';

t.test('a rule is known by what it matches and its role, not by where or how it is written', async (t) => {
  const match: RuleMatch = { serial: 'CZ3*', arch: 'x86_64', relay: ip('10.0.0.1') };
  const key = ruleKey({ match, role: 'worker' });
  t.equal(key, '["worker",{"arch":"x86_64","relay":"10.0.0.1","serial":"cz3*"}]');
  t.equal(ruleKey({ match: { relay: ip('10.0.0.1'), arch: 'x86_64', serial: 'cz3*' }, role: 'worker' }), key);
  const others: [RuleMatch, string][] = [
    [match, 'storage'],
    [{ ...match, serial: 'CZ4*' }, 'worker'],
    [{ ...match, product: 'x' }, 'worker'],
    [{ serial: '","arch":"x86_64' }, 'worker'],
    [{ subnet: parseNetwork('10.0.0.0/24') as Ipv4Network }, 'worker'],
    [{ subnet: parseNetwork('10.0.0.0/25') as Ipv4Network }, 'worker'],
    [{}, 'worker'],
  ];
  const keys = new Set([key, ...others.map(([each, role]) => ruleKey({ match: each, role }))]);
  t.equal(keys.size, others.length + 1, 'all different');
});
