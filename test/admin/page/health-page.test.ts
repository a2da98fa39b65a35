import t from 'tap';
import type { StatusView } from '../../../src/admin/api.ts';
import { healthFindings } from '../../../src/admin/page/health-findings.ts';
import { counterGroups, fillOf } from '../../../src/admin/page/health-model.ts';
import { STATUS, T0 } from '../../support/start-admin.ts';

const DAY = 86_400_000;
const sound: StatusView = {
  ...STATUS,
  catalog: { ...STATUS.catalog, problems: [] },
  uptime: 61,
  counters: {},
};

t.test('each thing that wants attention is a finding, and a sound daemon has none', (t) => {
  t.same(healthFindings(sound, T0), []);
  const server = { interface: 'br0', address: '10.77.0.254', firstSeen: 0, lastSeen: 0 };
  const rows: [string, Partial<StatusView>, tone: string, what: RegExp][] = [
    [
      'a missing interface',
      { interfaces: [{ name: 'br9', addresses: [], state: 'waiting', since: 0, reason: 'gone' }] },
      'bad',
      /br9: nothing.*gone/,
    ],
    [
      'one in part',
      { interfaces: [{ name: 'br9', addresses: [], state: 'partly', since: 0 }] },
      'warn',
      /only a part/,
    ],
    ['a broken catalog', { catalog: STATUS.catalog }, 'bad', /last good catalog/],
    [
      'an authority',
      { certificates: [{ name: 'etcd', notAfter: T0 + 1.5 * DAY }] },
      'warn',
      /expires in 1 day\./,
    ],
    ['an expired one', { certificates: [{ name: 'etcd', notAfter: T0 - 1 }] }, 'bad', /has expired/],
    ['another server', { otherDhcpServers: [server] }, 'warn', /10\.77\.0\.254/],
    [
      'a mirror',
      {
        mirrors: [
          { url: 'http://m', place: 'relay 10.78.0.1', state: 'down', since: 0, reason: 'x', lacks: [] },
        ],
      },
      'warn',
      /http:\/\/m \(relay 10\.78\.0\.1\) does not answer: x/,
    ],
    ['a full pool', { leases: { bound: 95, offered: 0, declined: 1, pool: 100 } }, 'warn', /95 of 100/],
    ['a full history', { history: { ...sound.history, used: 9, maxSize: 8 } }, 'warn', /at its bound/],
    ['a damaged database', { database: { setAside: ['/var/x.db'] } }, 'warn', /x\.db/],
  ];
  for (const [name, given, tone, what] of rows) {
    const findings = healthFindings({ ...sound, ...given }, T0);
    t.equal(findings.length, 1, name);
    t.match(findings[0], { tone, what });
  }
  t.same(
    healthFindings({ ...sound, mode: 'proxy', otherDhcpServers: [server] }, T0),
    [],
    'a proxy needs one',
  );
  t.end();
});

t.test('counters are said in words, in groups, and unknown ones are read out', (t) => {
  const groups = counterGroups({
    'tftp.read.answered': 3,
    'tftp.done.finished': 2,
    'dhcp.discover.answered': 1,
    'events.dropped.store': 4,
    strange: 5,
    'x<y.z': 6,
  });
  t.same(
    groups.map(({ title, rows }) => [title, rows.map(({ words, count }) => [words, count])]),
    [
      ['DHCP', [['discover answered', 1]]],
      ['Recording', [['events lost, as the database could not write them', 4]]],
      [
        'Other',
        [
          ['x<y z', 6],
          ['strange', 5],
        ],
      ],
      [
        'TFTP',
        [
          ['files asked for and sent', 3],
          ['transfers that came to their end', 2],
        ],
      ],
    ],
  );
  t.end();
});

t.test('how full something is never leaves its bounds', (t) => {
  t.same(fillOf(0, 0), { percent: 0, tone: 'good' });
  t.same(fillOf(80, 100), { percent: 80, tone: 'warn' });
  t.same(fillOf(300, 100), { percent: 100, tone: 'bad' });
  t.end();
});
