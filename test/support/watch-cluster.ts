import type { Test } from 'tap';
import type { Config } from '../../src/config/port.ts';
import { createLoggers } from '../../src/logger.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { createJournal } from '../../src/store/journal.ts';
import type { Observation, StoredState } from '../../src/store/port.ts';
import { startClusterOn } from '../../src/wire-cluster.ts';
import type { makeTestCluster } from '../cluster/support/start-cluster.ts';
import { until } from './until.ts';

export const alice = '52:54:00:00:00:0a' as Mac;
export const uuid = '4c4c4544-0042-3510-8052-b4c04f564a32';
export const worker = { role: 'worker', hostname: 'node-1', lastStage: 'ready' } as const;

export type Site = Awaited<ReturnType<typeof watchCluster>>;

/** The real journal and the real watcher, with a clock that goes on by itself a millisecond at each look. */
export async function watchCluster(
  t: Test,
  cluster: Awaited<ReturnType<typeof makeTestCluster>>,
  options: {
    readonly state?: Partial<StoredState>;
    readonly down?: boolean;
    readonly mayDelete?: boolean;
  } = {},
) {
  const api = await cluster.startApi(t, { mayDelete: options.mayDelete ?? true });
  if (options.down === true) await api.stop();
  let time = 1_000_000;
  const now = () => ++time;
  const events: BootEvent[] = [];
  const log: string[] = [];
  const sink = { write: (line: string) => void log.push(line) } as unknown as NodeJS.WritableStream;
  const journal = createJournal({
    store: { appendHistory: async () => undefined, forgetMachine: async () => true },
    state: { leases: [], machines: [], openSessions: [], nextSessionId: 1, ...options.state },
    clock: now,
    idleTime: 3_600_000,
    logger: createLoggers({ level: 'silent' }).store,
  });
  t.teardown(() => journal.close());
  journal.subscribe((event) => events.push(event));
  const config = { file: 'tinderbox.yaml', cluster: { apiServer: api.url } } as unknown as Config;
  const watch = startClusterOn({
    config,
    journal,
    logger: createLoggers({ destination: sink }).cluster,
    now,
    credentials: cluster.credentials,
    settleTime: 1,
    watcher: { pause: () => new Promise((resolve) => setTimeout(resolve, 5)) },
  });
  t.teardown(() => watch.stop());
  const record = (mac: Mac, kind: Observation['kind'], more: Partial<Observation> = {}) =>
    journal.record({
      at: now(),
      kind,
      mac,
      outcome: 'answered',
      asked: '',
      answered: '',
      reasons: [],
      ...more,
    });
  const boot = (mac: Mac = alice, assigned: Observation['assigned'] = worker, facts = { mac, uuid }) => {
    record(mac, 'dhcp.discover', { client: 'rom', stage: 'offered', facts });
    record(mac, 'http.script', { client: 'script', stage: 'script', ...(assigned ? { assigned } : {}) });
    record(mac, 'http.config', { stage: 'config' });
  };
  const told = () =>
    events.filter(({ kind, mac }) => kind.startsWith('node.') && mac === alice).map(({ kind }) => kind);
  const stage = (mac: Mac = alice) => journal.sessionOf(mac)?.stage;
  const watching = () => until(() => watch.status().state === 'watching' && api.watches() > 0);
  return { api, journal, watch, record, boot, events, told, stage, log, watching };
}

/** All Nodes are looked at together: when another machine's, put last, made that ready, the others were looked at. */
export async function settled({ api, boot, stage }: Site, number = 0): Promise<void> {
  const marker = `52:54:00:00:ff:${number.toString(16).padStart(2, '0')}` as Mac;
  boot(marker, { ...worker, hostname: `marker-${number}` }, { mac: marker, uuid: '' });
  api.putNode(`marker-${number}`, { bootId: 'marker' });
  await until(() => stage(marker) === 'ready');
}
