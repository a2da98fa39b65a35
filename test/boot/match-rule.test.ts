import t from 'tap';
import {
  DHCP_FACTS,
  describeMatch,
  explainMismatch,
  matchesPattern,
  ruleMatches,
} from '../../src/boot/match-rule.ts';
import type { MachineFacts } from '../../src/machine/facts.ts';
import { type Ipv4Network, parseNetwork } from '../../src/machine/ipv4.ts';
import type { RuleMatch } from '../../src/machine/role.ts';
import { ip } from '../support/make-environment.ts';
import { MAC } from '../support/make-request.ts';

t.test('a pattern matches the whole text, in any case, with * for any run', async (t) => {
  const rows: [string, string, boolean][] = [
    ['7CX123', '7cx123', true],
    ['7CX', '7CX123', false],
    ['7CX*', '7cx123', true],
    ['*123', '7CX123', true],
    ['*C*2*', '7CX123', true],
    ['*', '', true],
    ['**', 'anything', true],
    ['', '', true],
    ['', 'x', false],
    ['a*b*c', 'abc', true],
    ['a*b*c', 'acb', false],
    ['ab*ba', 'aba', false],
    ['*aa*aa*', 'aaa', false],
    ['*aa*aa*', 'aaaa', true],
    ['a.c', 'abc', false],
    ['a?c', 'abc', false],
    ['[a]', 'a', false],
  ];
  for (const [pattern, text, matches] of rows) {
    t.equal(matchesPattern(pattern, text), matches, `${pattern} ~ ${text}`);
  }
});

t.test('no pattern that a rule can hold is slow', async (t) => {
  // Backtracking would take longer than the universe has.
  t.equal(matchesPattern(`${'*a'.repeat(500)}*b`, 'a'.repeat(5000)), false);
  t.equal(matchesPattern(`${'*a'.repeat(500)}*`, 'a'.repeat(5000)), true);
});

const facts: MachineFacts = {
  mac: MAC,
  uuid: '11223344-5566-7788-99aa-bbccddeeff00',
  arch: 'x86_64',
  relay: ip('10.78.0.1'),
  address: ip('10.77.0.50'),
  serial: '7CX123',
  asset: 'rack-4',
  manufacturer: 'Dell Inc.',
  product: 'PowerEdge R640',
};

t.test('every condition that a rule states must hold', async (t) => {
  const subnet = parseNetwork('10.77.0.0/24') as Ipv4Network;
  const other = parseNetwork('10.78.0.0/24') as Ipv4Network;
  const rows: [RuleMatch, boolean][] = [
    [{}, true],
    [{ mac: MAC }, true],
    [{ mac: '52:54:00:*' }, true],
    [{ mac: '52:55:*' }, false],
    [{ uuid: '11223344-*' }, true],
    [{ arch: 'x86_64' }, true],
    [{ arch: 'arm64' }, false],
    [{ relay: ip('10.78.0.1') }, true],
    [{ relay: ip('10.78.0.2') }, false],
    [{ subnet }, true],
    [{ subnet: other }, false],
    [{ serial: '7cx*' }, true],
    [{ asset: 'rack-5' }, false],
    [{ manufacturer: 'dell*', product: '*R640' }, true],
    [{ manufacturer: 'dell*', product: '*R740' }, false],
  ];
  for (const [match, holds] of rows) t.equal(ruleMatches(match, facts), holds, describeMatch(match));
});

t.test('what is not known of a machine matches no condition, not even *', async (t) => {
  const bare: MachineFacts = { mac: MAC };
  const subnet = parseNetwork('0.0.0.0/0') as Ipv4Network;
  const matches: RuleMatch[] = [
    { uuid: '*' },
    { serial: '*' },
    { asset: '*' },
    { manufacturer: '*' },
    { product: '*' },
    { arch: 'x86_64' },
    { relay: ip('0.0.0.0') },
    { subnet },
  ];
  for (const match of matches) t.equal(ruleMatches(match, bare), false, describeMatch(match));
});

t.test('a rule is described as it would be written', async (t) => {
  t.equal(describeMatch({}), 'any machine');
  const subnet = parseNetwork('10.77.0.0/24') as Ipv4Network;
  t.equal(
    describeMatch({ serial: '7CX*', subnet, relay: ip('10.78.0.1'), arch: 'arm64' }),
    'serial=7CX*, subnet=10.77.0.0/24, relay=10.78.0.1, arch=arm64',
  );
});

t.test('the first loader may depend only on what DHCP tells', async (t) => {
  t.same(DHCP_FACTS, ['mac', 'uuid', 'arch', 'relay', 'subnet']);
});

t.test('why a rule does not match is the first condition that does not hold', async (t) => {
  const rows: [RuleMatch, MachineFacts, string | undefined][] = [
    [{ serial: '7CX*' }, { mac: MAC, serial: '7CX1' }, undefined],
    [{}, { mac: MAC }, undefined],
    [{ serial: '7CX*' }, { mac: MAC, serial: 'ABC' }, 'its serial is ABC'],
    [{ serial: '7CX*' }, { mac: MAC }, 'its serial is not known before its iPXE has asked'],
    [{ arch: 'arm64' }, { mac: MAC }, 'its arch is not known yet'],
    [{ arch: 'arm64', serial: 'x' }, { mac: MAC, arch: 'x86_64' }, 'its arch is x86_64'],
    [{ relay: ip('10.1.0.1') }, { mac: MAC }, 'it asks through no relay agent'],
    [{ relay: ip('10.1.0.1') }, { mac: MAC, relay: ip('10.2.0.1') }, 'its relay is 10.2.0.1'],
    [
      { subnet: parseNetwork('10.1.0.0/24') as Ipv4Network },
      { mac: MAC, address: ip('10.2.0.9') },
      'its address is 10.2.0.9',
    ],
  ];
  for (const [match, known, why] of rows) {
    t.equal(explainMismatch(match, known), why, JSON.stringify(match));
    t.equal(ruleMatches(match, known), why === undefined, JSON.stringify(match));
  }
});

t.test('labels match by their name letter by letter, and by their value as other texts', async (t) => {
  const labels = { region: 'West', rack: 'r7-3' };
  const rows: readonly [Record<string, string>, Record<string, string> | undefined, boolean][] = [
    [{ region: 'west' }, labels, true],
    [{ region: 'west', rack: 'r7*' }, labels, true],
    [{ region: 'west', rack: 'r8*' }, labels, false],
    [{ Region: 'west' }, labels, false],
    [{ os: '*' }, labels, false],
    [{ constructor: '*' }, labels, false],
    [{ region: '*' }, {}, false],
    [{ region: '*' }, undefined, false],
  ];
  for (const [wanted, told, matches] of rows) {
    const known = { ...facts, ...(told === undefined ? {} : { labels: told }) };
    t.equal(ruleMatches({ labels: wanted }, known), matches, JSON.stringify([wanted, told]));
  }
  const match: RuleMatch = { mac: '52:*', labels: { region: 'east', rack: 'r7*' } };
  t.equal(describeMatch(match), 'mac=52:*, labels.region=east, labels.rack=r7*');
  t.equal(explainMismatch(match, { ...facts, labels }), 'its labels are region=West rack=r7-3');
  t.equal(explainMismatch(match, facts), 'it told no labels when it asked last');
});
