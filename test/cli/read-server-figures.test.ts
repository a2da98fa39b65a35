import t from 'tap';
import { createMetrics } from '../../src/admin/metrics/create-metrics.ts';
import type { MetricFacts } from '../../src/admin/metrics/port.ts';
import { readServerFigures } from '../../src/cli/read-server-figures.ts';

const T0 = 1_700_000_000_000;
const facts = (counters: Readonly<Record<string, number>>): MetricFacts => ({
  status: {
    version: '0.1.0',
    startedAt: T0,
    mode: 'server',
    interfaces: [],
    catalog: { generation: 1, file: 'machines.yaml', problems: [] },
    leases: { bound: 0, offered: 0, declined: 0 },
    database: { setAside: [] },
    otherDhcpServers: [],
    history: { bytes: 0, used: 0, events: 0, sessions: 0, machines: 0, maxSize: 500, keep: 60 },
    bootFiles: [],
  },
  uptime: 1,
  now: T0,
  counters: new Map(Object.entries(counters)),
  sessions: [],
  certificates: [],
  pools: [],
  packets: { machines: 0, packets: 0, bytes: 0 },
});

t.test('what rose between two scrapes of the real metrics is told', async (t) => {
  const metrics = createMetrics({ isRole: () => true, process: false });
  metrics.databaseCall('commitPacked', 9_000);
  const before = await metrics.render(facts({ 'http.stalled': 2, 'tftp.dropped.old': 1 }));
  for (let count = 0; count < 200; count++) metrics.databaseCall('commitPacked', count === 0 ? 400 : 3);
  metrics.databaseCall('appendHistory', 40);
  metrics.databaseCall('listMachines', 1_000);
  const after = await metrics.render(facts({ 'http.stalled': 5, 'tftp.dropped.old': 1 }));
  const figures = readServerFigures(before, after);
  t.match(figures.commits.leases, { count: 200, p99: 5 });
  t.ok(Math.abs(figures.commits.leases.seconds - 0.997) < 1e-9);
  t.match(figures.commits.history, { count: 1, p99: 50 });
  t.same(figures.incidents, { 'incidents: http.stalled': 3 });
});

t.test('commits beyond every bucket are as long as the last one, and none are none', async (t) => {
  const metrics = createMetrics({ isRole: () => true, process: false });
  const before = await metrics.render(facts({}));
  metrics.databaseCall('commitPacked', 60_000);
  const { commits } = readServerFigures(before, await metrics.render(facts({})));
  t.match(commits, { leases: { count: 1, p99: 5_000 }, history: { count: 0, seconds: 0, p99: 0 } });
});

const processFigures = (cpu: number, memory: number) => `# TYPE x gauge
process_cpu_seconds_total ${cpu}
process_resident_memory_bytes ${memory}
nodejs_eventloop_lag_p50_seconds 0.009
nodejs_eventloop_lag_p99_seconds 0.05
nodejs_eventloop_lag_max_seconds 0.21
`;

t.test('the processor, memory, and the event loop without the period it is measured in', async (t) => {
  const figures = readServerFigures(processFigures(1.5, 100), processFigures(4, 300));
  t.match(figures, { cpuSeconds: 2.5, memoryBytes: { before: 100, after: 300 } });
  t.same(
    [figures.blocked.p50, Math.round(figures.blocked.p99), Math.round(figures.blocked.max)],
    [0, 40, 200],
  );
});
