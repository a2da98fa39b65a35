import t from 'tap';
import { judgeIptables, judgeNftables, type WantedPort } from '../../src/boot/judge-firewall.ts';

const WANTED: readonly WantedPort[] = [
  { protocol: 'udp', port: 67, what: 'DHCP' },
  { protocol: 'udp', port: 69, what: 'TFTP' },
  { protocol: 'tcp', port: 80, what: 'HTTP' },
];

const chain = (name: string, rest: object = {}) => ({ chain: { family: 'inet', table: 't', name, ...rest } });
const input = (policy: string) => chain('input', { hook: 'input', type: 'filter', policy });
const rule = (name: string, ...expr: readonly object[]) => ({
  rule: { family: 'inet', table: 't', chain: name, expr },
});
const match = (left: object, right: unknown, op = '==') => ({ match: { op, left, right } });
const iif = (name: string, op?: string) => match({ meta: { key: 'iifname' } }, name, op);
const dport = (protocol: string, right: unknown) => match({ payload: { protocol, field: 'dport' } }, right);
const ct = match({ ct: { key: 'state' } }, ['established', 'related'], 'in');
const [accept, drop, reject] = [{ accept: null }, { drop: null }, { reject: {} }];

const ctState = (right: unknown) => match({ ct: { key: 'state' } }, right);
const xt = (name: string) => ({ xt: { type: 'match', name } });
const vmap = (key: object, ...set: readonly unknown[]) => ({ vmap: { key, data: { set } } });

/** What stays closed; as `nft --json list ruleset` prints it. */
const rows: readonly (readonly [name: string, items: readonly object[], closed: readonly number[]])[] = [
  ['no rules', [], []],
  ['a policy that accepts', [input('accept')], []],
  ['a policy that drops', [input('drop')], [67, 69, 80]],
  ['answers alone are let in', [input('drop'), rule('input', ct, accept)], [67, 69, 80]],
  ['the loopback is let in', [input('drop'), rule('input', iif('lo'), accept)], [67, 69, 80]],
  ['the interface is let in', [input('drop'), rule('input', iif('br0'), accept)], []],
  ['interfaces by pattern', [input('drop'), rule('input', iif('br*'), accept)], []],
  ['all but one interface', [input('drop'), rule('input', iif('wan0', '!='), accept)], []],
  ['one port', [input('drop'), rule('input', dport('tcp', 80), accept)], [67, 69]],
  ['a set', [input('drop'), rule('input', dport('udp', { set: [67, 69] }), accept)], [80]],
  ['a range', [input('drop'), rule('input', dport('udp', { range: [60, 70] }), accept)], [80]],
  ['either protocol', [input('drop'), rule('input', dport('th', { set: [67, 69, 80] }), accept)], []],
  [
    'a last rule that rejects',
    [input('accept'), rule('input', dport('udp', 67), accept), rule('input', reject)],
    [69, 80],
  ],
  ['one that drops a port', [input('accept'), rule('input', iif('br0'), dport('udp', 69), drop)], [69]],
  ['the same elsewhere', [input('accept'), rule('input', iif('wan0'), drop)], []],
  [
    'a chain for the interface',
    [
      input('drop'),
      chain('lan'),
      rule('input', iif('br0'), { jump: { target: 'lan' } }),
      rule('lan', dport('udp', { set: [67, 69] }), accept),
    ],
    [80],
  ],
  [
    'a chain that returns',
    [
      input('drop'),
      rule('input', { jump: { target: 'a' } }),
      rule('a', { return: null }),
      rule('input', accept),
    ],
    [],
  ],
  ['a chain that calls itself', [input('drop'), rule('input', { jump: { target: 'input' } })], [67, 69, 80]],
  ['a protocol', [input('drop'), rule('input', match({ meta: { key: 'l4proto' } }, 'udp'), accept)], [80]],
  ['what belongs to no connection is dropped', [input('accept'), rule('input', xt('conntrack'), drop)], []],
  ['a comment is no condition', [input('accept'), rule('input', xt('comment'), drop)], [67, 69, 80]],
  [
    'too many at once are dropped',
    [input('accept'), rule('input', { limit: { rate: 9, inv: true } }, drop)],
    [],
  ],
  [
    'a zone of firewalld',
    [
      input('accept'),
      rule('input', ct, accept),
      rule('input', dport('udp', { set: [67, 69] }), ctState({ set: ['new', 'untracked'] }), accept),
      rule('input', dport('tcp', 80), ctState('new'), accept),
      rule('input', reject),
    ],
    [],
  ],
  [
    'a map of verdicts',
    [
      input('drop'),
      chain('lan'),
      rule('input', vmap({ ct: { key: 'state' } }, ['established', accept], ['invalid', drop])),
      rule('input', vmap({ meta: { key: 'iifname' } }, ['lo', accept], ['br0', { jump: { target: 'lan' } }])),
      rule('lan', dport('udp', { set: [67, 69] }), accept),
    ],
    [80],
  ],
  [
    'a map that has a name',
    [input('drop'), rule('input', { vmap: { key: 1, data: '@ports' } })],
    [67, 69, 80],
  ],
  [
    'IPv6 alone is closed',
    [
      {
        chain: {
          family: 'ip6',
          table: 'filter',
          name: 'INPUT',
          hook: 'input',
          type: 'filter',
          policy: 'drop',
        },
      },
    ],
    [],
  ],
  ['the hook of forwarding', [chain('forward', { hook: 'forward', type: 'filter', policy: 'drop' })], []],
];

t.test('a hint says which ports seem closed on the interface', async (t) => {
  for (const [name, items, closed] of rows) {
    const [finding, ...more] = judgeNftables({ nftables: [{ metainfo: {} }, ...items] }, 'br0', WANTED);
    t.same(more, [], name);
    t.equal(finding?.state, closed.length === 0 ? 'ok' : 'warning', name);
    const named = [...(finding?.text.matchAll(/(?:udp|tcp) (\d+)/g) ?? [])].map(([, port]) => Number(port));
    t.same(named, closed, name);
  }
});

t.test('whatever nft prints is believed in nothing', async (t) => {
  for (const ruleset of [
    undefined,
    null,
    1,
    'x',
    [],
    {},
    { nftables: 1 },
    { nftables: [null, { rule: 1 }, { chain: null }] },
  ])
    t.match(judgeNftables(ruleset, 'br0', WANTED), [{ state: 'ok' }]);
});

/** As `iptables-save` prints it. */
const filter = (...lines: readonly string[]) => `# Generated\n*filter\n${lines.join('\n')}\nCOMMIT\n`;

t.test('of iptables the policy and the ports of rules are looked at', async (t) => {
  const table: readonly (readonly [string, string, RegExp])[] = [
    ['nothing', '', /lets packets in/],
    ['accepts', filter(':INPUT ACCEPT [0:0]'), /lets packets in/],
    ['drops', filter(':INPUT DROP [0:0]'), /let in udp 67 \(DHCP\), udp 69 \(TFTP\), tcp 80 \(HTTP\)$/],
    [
      'answers and the loopback',
      filter(
        ':INPUT DROP [0:0]',
        '-A INPUT -i lo -j ACCEPT',
        '-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT',
      ),
      /let in udp 67 .*udp 69/,
    ],
    ['an interface', filter(':INPUT DROP [0:0]', '-A INPUT -i br0 -j ACCEPT'), /has rules/],
    [
      'some ports',
      filter(':INPUT DROP [0:0]', '-A INPUT -p udp -m multiport --dports 67:69 -j ACCEPT'),
      /let in tcp 80 \(HTTP\)$/,
    ],
  ];
  for (const [name, saved, text] of table) t.match(judgeIptables(saved, WANTED), [{ text }], name);
});
