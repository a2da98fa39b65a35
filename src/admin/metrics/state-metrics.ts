import { Gauge, type Registry } from 'prom-client';
import type { BootSession } from '../../machine/session.ts';
import { STAGES } from '../../machine/stage.ts';
import { createBoundedLabel } from './bounded-label.ts';
import type { MetricFacts } from './port.ts';
import { createPullMetrics } from './pull-metrics.ts';

/** A session that was silent for longer is of a machine that was left off. In ms. */
const SILENT = 30 * 60_000;
/** What is stalled or failed is silent by its nature, and is so until somebody comes; a day later it was left off. In ms. */
const LEFT_OFF = 24 * 3_600_000;
/** Interfaces and subnets come from the configuration, diagnoses from a table: this is never reached. */
const MOST_VALUES = 500;
const ENDS = ['ready', 'booted', 'handed-over'] as const;

/** What is the case now, asked at each scrape. */
export function createStateMetrics(registry: Registry): (facts: MetricFacts) => void {
  const gauge = <Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Gauge<Label> => new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });

  const build = gauge('tinderbox_build_info', 'Version and mode of DHCP; always 1.', ['version', 'mode']);
  const uptime = gauge('tinderbox_uptime_seconds', 'Seconds since the daemon began to answer.');
  const interfaces = gauge(
    'tinderbox_interface_up',
    'Whether everything that is configured is served on a provisioning interface.',
    ['interface'],
  );
  const sessions = gauge(
    'tinderbox_boot_sessions',
    'Boots under way by the stage that they stand at; one that was silent for half an hour is none.',
    ['stage'],
  );
  const stalled = gauge(
    'tinderbox_boot_sessions_stalled',
    'Boots that are stalled, by diagnosis; one that was silent for a day is none.',
    ['diagnosis'],
  );
  const waiting = gauge('tinderbox_machines_waiting', 'Boots under way whose machine waits for approval.');
  const failed = gauge(
    'tinderbox_boot_sessions_failed',
    'Boots whose machine said that it failed; one that was silent for a day is none.',
  );
  const ended = gauge('tinderbox_machines_ended', 'Machines by how their last boot ended.', ['end']);
  const generation = gauge('tinderbox_catalog_generation', 'How often the catalog was swapped, from 1.');
  const problems = gauge(
    'tinderbox_catalog_problems',
    'Why the files in profiles/ are not in force (error), and what is odd about them (warning).',
    ['severity'],
  );
  const expiry = gauge(
    'tinderbox_certificate_expiry_timestamp_seconds',
    'When a certificate ends, in seconds since the epoch.',
    ['certificate'],
  );
  const leases = gauge('tinderbox_dhcp_leases', 'Addresses given out, by state.', ['state']);
  const poolSize = gauge('tinderbox_dhcp_pool_addresses', 'Addresses that may be given out.', ['subnet']);
  const poolFree = gauge(
    'tinderbox_dhcp_pool_free_addresses',
    'Addresses that may be given out and that nobody holds.',
    ['subnet'],
  );
  const others = gauge(
    'tinderbox_other_dhcp_servers',
    'Other DHCP servers seen on provisioning interfaces.',
    ['interface'],
  );
  const mirrors = gauge('tinderbox_mirror_up', 'Whether a mirror answers (assets.mirrors).', [
    'mirror',
    'place',
  ]);
  const showPulls = createPullMetrics(registry);
  const databaseSize = gauge('tinderbox_database_bytes', 'Size of the database file.');
  const databaseUsed = gauge(
    'tinderbox_database_used_bytes',
    'What of the database file is not free for what comes.',
  );
  const databaseLimit = gauge('tinderbox_database_max_bytes', 'Size that history.maxSize allows.');
  const rows = gauge('tinderbox_database_rows', 'Machines, boot sessions and events in the database.', [
    'kind',
  ]);
  const setAside = gauge('tinderbox_databases_set_aside', 'Damaged databases that were set aside.');
  const kept = gauge('tinderbox_capture_packets', 'Packets kept for captures.');
  const keptBytes = gauge('tinderbox_capture_bytes', 'Memory that packets kept for captures take.');
  const keptMachines = gauge('tinderbox_capture_machines', 'Machines that packets are kept of.');
  const diagnosisLabel = createBoundedLabel(MOST_VALUES);

  return (facts) => {
    const { status } = facts;
    build.reset();
    build.set({ version: status.version, mode: status.mode }, 1);
    uptime.set(facts.uptime);
    interfaces.reset();
    for (const { name, state } of status.interfaces)
      interfaces.set({ interface: name }, Number(state === 'serving'));

    const count = countSessions(facts.sessions, facts.now);
    for (const stage of STAGES) sessions.set({ stage }, count.stages.get(stage) ?? 0);
    stalled.reset();
    for (const [name, machines] of count.stalled) stalled.inc({ diagnosis: diagnosisLabel(name) }, machines);
    waiting.set(count.waiting);
    failed.set(count.failed);
    for (const end of ENDS) ended.set({ end }, count.ends.get(end) ?? 0);

    generation.set(status.catalog.generation);
    for (const severity of ['error', 'warning'] as const)
      problems.set({ severity }, status.catalog.problems.filter((one) => one.severity === severity).length);
    expiry.reset();
    for (const { name, notAfter } of facts.certificates) expiry.set({ certificate: name }, notAfter / 1000);

    for (const state of ['bound', 'offered', 'declined'] as const)
      leases.set({ state }, status.leases[state]);
    poolSize.reset();
    poolFree.reset();
    for (const { subnet, size, free } of facts.pools) {
      poolSize.set({ subnet }, size);
      poolFree.set({ subnet }, free);
    }
    others.reset();
    for (const { name } of status.interfaces) {
      const seen = status.otherDhcpServers.filter((one) => one.interface === name).length;
      others.set({ interface: name }, seen);
    }

    mirrors.reset();
    for (const { url, place, state } of status.mirrors ?? [])
      mirrors.set({ mirror: url, place }, Number(state !== 'down'));
    showPulls(status.pullThrough);

    const { history, database } = status;
    databaseSize.set(history.bytes);
    databaseUsed.set(history.used);
    databaseLimit.set(history.maxSize);
    for (const kind of ['events', 'sessions', 'machines'] as const) rows.set({ kind }, history[kind]);
    setAside.set(database.setAside.length);
    kept.set(facts.packets.packets);
    keptBytes.set(facts.packets.bytes);
    keptMachines.set(facts.packets.machines);
  };
}

function countSessions(sessions: Iterable<BootSession>, now: number) {
  const stages = new Map<string, number>();
  const stalled = new Map<string, number>();
  const ends = new Map<string, number>();
  const marks = { waiting: 0, failed: 0 };
  for (const session of sessions) {
    if (session.end !== undefined) {
      add(ends, session.end);
      continue;
    }
    const silent = now - session.updatedAt;
    if (silent <= LEFT_OFF && session.stalled !== undefined) add(stalled, session.stalled.diagnosis.name);
    if (silent <= LEFT_OFF && session.failedAt !== undefined) marks.failed++;
    if (silent > SILENT) continue;
    add(stages, session.stage);
    if (session.waitingSince !== undefined) marks.waiting++;
  }
  return { stages, stalled, ends, ...marks };
}

function add(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
