import t from 'tap';
import type { DaemonStatus } from '../../../src/admin/api.ts';
import { createMetrics } from '../../../src/admin/metrics/create-metrics.ts';
import type { MetricFacts } from '../../../src/admin/metrics/port.ts';
import type { Mac } from '../../../src/machine/mac.ts';
import type { BootSession } from '../../../src/machine/session.ts';
import type { Observation } from '../../../src/store/port.ts';

const T0 = 1_700_000_000_000;
const MAC = '52:54:00:12:34:56' as Mac;

const STATUS: DaemonStatus = {
  version: '0.1.0',
  startedAt: T0,
  mode: 'server',
  interfaces: [
    { name: 'br0', addresses: [], state: 'serving', since: T0 },
    { name: 'br1', addresses: [], state: 'waiting', since: T0 },
  ],
  catalog: { generation: 3, file: 'machines.yaml', problems: [{ severity: 'error', message: 'bad' }] },
  leases: { bound: 2, offered: 1, declined: 0 },
  database: { setAside: [] },
  otherDhcpServers: [{ interface: 'br0', address: '10.77.0.9', firstSeen: T0, lastSeen: T0 }],
  history: { bytes: 8192, used: 4096, events: 2, sessions: 1, machines: 1, maxSize: 500, keep: 60 },
  bootFiles: [],
};
const FACTS: MetricFacts = {
  status: STATUS,
  uptime: 61.5,
  now: T0,
  counters: new Map(),
  sessions: [],
  certificates: [],
  pools: [],
  packets: { machines: 1, packets: 2, bytes: 3 },
};
const SESSION: BootSession = {
  id: 1,
  mac: MAC,
  openedAt: T0,
  updatedAt: T0,
  stage: 'discovered',
  stageTimes: { discovered: T0 },
};
const OBSERVED: Observation = {
  at: T0,
  kind: 'dhcp.discover',
  outcome: 'answered',
  asked: '',
  answered: '',
  reasons: [],
  mac: MAC,
};

const make = (roles: readonly string[] = ['worker']) =>
  createMetrics({ isRole: (name) => roles.includes(name), process: false });

/** The samples of a text, without those of histograms' buckets. */
function samples(text: string): ReadonlyMap<string, string> {
  const lines = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !/[{,]le="/.test(line));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1)]),
  );
}

const OBSERVATIONS: readonly {
  readonly seen: Partial<Observation>;
  readonly counted: readonly [string, string];
}[] = [
  {
    seen: {},
    counted: ['tinderbox_dhcp_packets_total{plane="dhcp",type="discover",outcome="answered"}', '1'],
  },
  {
    seen: { kind: 'pxe.request', outcome: 'ignored' },
    counted: ['tinderbox_dhcp_packets_total{plane="pxe",type="request",outcome="ignored"}', '1'],
  },
  {
    seen: { kind: 'tftp.read', outcome: 'refused' },
    counted: ['tinderbox_tftp_requests_total{outcome="refused"}', '1'],
  },
  { seen: { kind: 'tftp.done', bytes: 1000 }, counted: ['tinderbox_tftp_sent_bytes_total', '1000'] },
  {
    seen: { kind: 'http.asset', bytes: 7 },
    counted: ['tinderbox_http_requests_total{kind="asset",outcome="answered"}', '1'],
  },
  { seen: { kind: 'http.asset', bytes: 7 }, counted: ['tinderbox_http_asset_sent_bytes_total', '7'] },
  {
    seen: { kind: 'node.ready', outcome: 'noted' },
    counted: ['tinderbox_node_changes_total{change="ready"}', '1'],
  },
  { seen: { kind: 'syslog.line', outcome: 'noted' }, counted: ['tinderbox_syslog_lines_total', '1'] },
  {
    seen: { kind: 'power.command', outcome: 'failed' },
    counted: ['tinderbox_power_commands_total{outcome="failed"}', '1'],
  },
  {
    seen: {
      kind: 'session.stalled',
      stalled: {
        at: T0,
        stage: 'offered',
        diagnosis: { name: 'no-offer-taken', title: '', evidence: [], remedy: '' },
      },
    },
    counted: ['tinderbox_boot_stalls_total{diagnosis="no-offer-taken"}', '1'],
  },
];
t.test('what is observed is counted by kind and outcome', async (t) => {
  for (const { seen, counted } of OBSERVATIONS) {
    const metrics = make();
    metrics.observe({ ...OBSERVED, ...seen });
    t.equal(samples(await metrics.render(FACTS)).get(counted[0]), counted[1], counted[0]);
  }
});

t.test('a stall that is diagnosed anew is one stall', async (t) => {
  const metrics = make();
  const diagnosis = { title: '', evidence: [], remedy: '' };
  for (const [name, at] of [
    ['unknown', T0],
    ['offer-not-taken', T0 + 5_000],
  ] as const) {
    const stalled = { at: T0, stage: 'offered', diagnosis: { ...diagnosis, name } } as const;
    metrics.observe({ ...OBSERVED, at, kind: 'session.stalled', outcome: 'noted', stalled });
  }
  const found = [...samples(await metrics.render(FACTS))].filter(([name]) => name.includes('boot_stalls'));
  t.same(found, [['tinderbox_boot_stalls_total{diagnosis="unknown"}', '1']]);
});

const COUNTERS: readonly { readonly name: string; readonly sample: string | undefined }[] = [
  { name: 'dhcp.dropped.busy', sample: 'tinderbox_packets_dropped_total{plane="dhcp",reason="busy"}' },
  { name: 'tftp.done.finished', sample: 'tinderbox_tftp_transfers_total{end="finished"}' },
  { name: 'security.alarm.other-address', sample: 'tinderbox_security_alarms_total{cause="other-address"}' },
  { name: 'events.dropped.stranger', sample: 'tinderbox_events_dropped_total{bound="stranger"}' },
  { name: 'http.bad-request.400', sample: 'tinderbox_incidents_total{incident="http.bad-request.400"}' },
  { name: 'syslog.dropped.empty', sample: 'tinderbox_packets_dropped_total{plane="syslog",reason="empty"}' },
  { name: 'tftp.read.answered', sample: undefined },
  { name: 'syslog.line', sample: undefined },
  { name: 'stalls.offer-not-taken', sample: undefined },
  { name: 'stalls.errors', sample: 'tinderbox_incidents_total{incident="stalls.errors"}' },
  { name: 'events.unrecorded.dhcp.discover.answered', sample: undefined },
];
t.test('what the journal counts is told as it is, at each scrape', async (t) => {
  for (const { name, sample } of COUNTERS) {
    const metrics = make();
    await metrics.render({ ...FACTS, counters: new Map([[name, 41]]) });
    const found = samples(await metrics.render({ ...FACTS, counters: new Map([[name, 42]]) }));
    if (sample !== undefined) t.equal(found.get(sample), '42', sample);
    else t.notMatch([...found.keys()].join('\n'), name, 'told by another metric already');
  }
});

const ended = (end: BootSession['end'], change: Partial<BootSession> = {}): BootSession => ({
  ...SESSION,
  ...(end === undefined ? {} : { end }),
  endedAt: T0 + 90_000,
  role: 'worker',
  stage: 'booted',
  stageTimes: { discovered: T0, offered: T0 + 1_000, script: T0 + 11_000, booted: T0 + 90_000 },
  ...change,
});

t.test('a boot that is over tells how long it and each of its stages took', async (t) => {
  const metrics = make();
  metrics.advance({ session: SESSION, opened: true });
  metrics.advance({ before: SESSION, ended: ended('booted'), opened: false });
  const found = samples(await metrics.render(FACTS));
  const expected = {
    tinderbox_boots_started_total: '1',
    'tinderbox_boots_ended_total{end="booted",role="worker"}': '1',
    'tinderbox_boot_duration_seconds_sum{role="worker"}': '90',
    'tinderbox_boot_stage_duration_seconds_sum{stage="discovered",role="worker"}': '1',
    'tinderbox_boot_stage_duration_seconds_sum{stage="offered",role="worker"}': '10',
    'tinderbox_boot_stage_duration_seconds_sum{stage="script",role="worker"}': '79',
  };
  for (const [name, value] of Object.entries(expected)) t.equal(found.get(name), value, name);
  t.notOk(
    found.has('tinderbox_boot_stage_duration_seconds_sum{stage="booted",role="worker"}'),
    'nothing came after',
  );
});

t.test('a boot that was given up has stages, but no duration of its own', async (t) => {
  const metrics = make();
  const { role: _role, ...early } = ended('superseded');
  metrics.advance({ before: early, ended: early, opened: true, session: { ...SESSION, id: 2 } });
  const found = samples(await metrics.render(FACTS));
  t.equal(found.get('tinderbox_boots_ended_total{end="superseded",role="none"}'), '1');
  t.equal(found.get('tinderbox_boot_stage_duration_seconds_count{stage="script",role="none"}'), '1');
  t.notOk([...found.keys()].some((name) => name.startsWith('tinderbox_boot_duration_seconds')));
});

t.test('a Node that comes back is no boot, and neither is a signing token', async (t) => {
  const metrics = make();
  metrics.advance({
    before: ended(undefined, { bootId: 'b' }),
    ended: ended('ready', { bootId: 'b' }),
    opened: false,
  });
  const token = ended('superseded', { signingUntil: T0 });
  metrics.advance({ before: token, session: token, ended: token, opened: true });
  const found = samples(await metrics.render(FACTS));
  t.equal(found.get('tinderbox_boots_started_total'), '0');
  t.notOk([...found.keys()].some((name) => name.startsWith('tinderbox_boots_ended')));
  metrics.advance({ before: ended(undefined), ended: ended('ready', { bootId: 'b' }), opened: false });
  t.equal(
    samples(await metrics.render(FACTS)).get('tinderbox_boots_ended_total{end="ready",role="worker"}'),
    '1',
    'the first time it is',
  );
});

t.test('roles are bounded by the catalog, and by a number', async (t) => {
  const roles = Array.from({ length: 80 }, (_, at) => `role-${at}`);
  const metrics = make(roles);
  for (const role of [...roles, 'gone', 'role-0'])
    metrics.advance({ before: SESSION, ended: ended('booted', { role }), opened: false });
  const found = samples(await metrics.render(FACTS));
  const counts = [...found].filter(([name]) => name.startsWith('tinderbox_boots_ended_total'));
  t.equal(counts.length, 51);
  t.equal(found.get('tinderbox_boots_ended_total{end="booted",role="other"}'), '31');
  t.equal(found.get('tinderbox_boots_ended_total{end="booted",role="role-0"}'), '2');
});

t.test('sessions are counted by where they stand now', async (t) => {
  const metrics = make();
  const stalled = {
    at: T0,
    stage: 'offered',
    diagnosis: { name: 'tftp-loss', title: '', evidence: [], remedy: '' },
  } as const;
  const sessions: readonly BootSession[] = [
    { ...SESSION, stage: 'offered', stalled },
    { ...SESSION, stage: 'offered', waitingSince: T0 },
    { ...SESSION, stage: 'config', failedAt: T0 },
    { ...SESSION, stage: 'config', updatedAt: T0 - 31 * 60_000 },
    // Silence is what a stall is.
    { ...SESSION, stage: 'kernel', updatedAt: T0 - 60 * 60_000, stalled },
    { ...SESSION, stage: 'kernel', updatedAt: T0 - 25 * 60 * 60_000, stalled },
    ended('ready'),
    ended('booted'),
    ended('superseded'),
  ];
  await metrics.render({ ...FACTS, sessions: [{ ...SESSION, stage: 'kernel', stalled }] });
  const found = samples(await metrics.render({ ...FACTS, sessions }));
  const expected = {
    'tinderbox_boot_sessions{stage="offered"}': '2',
    'tinderbox_boot_sessions{stage="config"}': '1',
    'tinderbox_boot_sessions{stage="kernel"}': '0',
    'tinderbox_boot_sessions_stalled{diagnosis="tftp-loss"}': '2',
    tinderbox_machines_waiting: '1',
    tinderbox_boot_sessions_failed: '1',
    'tinderbox_machines_ended{end="ready"}': '1',
    'tinderbox_machines_ended{end="handed-over"}': '0',
  };
  for (const [name, value] of Object.entries(expected)) t.equal(found.get(name), value, name);
  const none = samples(await metrics.render(FACTS));
  t.notOk(none.has('tinderbox_boot_sessions_stalled{diagnosis="tftp-loss"}'), 'and no longer than it is so');
});

t.test('the daemon says what it has', async (t) => {
  const found = samples(
    await make().render({
      ...FACTS,
      certificates: [{ name: 'authority/etcd', notAfter: T0 }],
      pools: [{ subnet: '10.77.0.0/24', size: 100, free: 7 }],
    }),
  );
  const expected = {
    'tinderbox_build_info{version="0.1.0",mode="server"}': '1',
    tinderbox_uptime_seconds: '61.5',
    'tinderbox_interface_up{interface="br0"}': '1',
    'tinderbox_interface_up{interface="br1"}': '0',
    'tinderbox_other_dhcp_servers{interface="br0"}': '1',
    'tinderbox_other_dhcp_servers{interface="br1"}': '0',
    tinderbox_catalog_generation: '3',
    'tinderbox_catalog_problems{severity="error"}': '1',
    'tinderbox_catalog_problems{severity="warning"}': '0',
    'tinderbox_certificate_expiry_timestamp_seconds{certificate="authority/etcd"}': '1700000000',
    'tinderbox_dhcp_leases{state="offered"}': '1',
    'tinderbox_dhcp_pool_free_addresses{subnet="10.77.0.0/24"}': '7',
    'tinderbox_database_rows{kind="events"}': '2',
    tinderbox_capture_bytes: '3',
  };
  for (const [name, value] of Object.entries(expected)) t.equal(found.get(name), value, name);
});
