import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Observation } from '../../store/port.ts';
import { createBootMetrics, type SessionChange } from './boot-metrics.ts';
import { createBoundedLabel } from './bounded-label.ts';
import { createCounterMetrics } from './counter-metrics.ts';
import { createDatabaseMetrics } from './database-metrics.ts';
import type { MetricFacts } from './port.ts';
import { createQueueMetrics } from './queue-metrics.ts';
import { createStateMetrics } from './state-metrics.ts';
import { createTrafficMetrics } from './traffic-metrics.ts';

export interface Metrics {
  /** Each observation of the journal. */
  observe(observation: Observation): void;
  /** Each step of a session. */
  advance(change: SessionChange): void;
  /** Each call that the database's thread has answered, by its name, and the milliseconds that it took. */
  databaseCall(call: string, ms: number): void;
  /** A boot has its turn, after so many ms. */
  noteQueued(waited: number): void;
  /** The text format of Prometheus, with what is the case now. */
  render(facts: MetricFacts): Promise<string>;
}

export interface MetricsOptions {
  /** Whether the catalog has this role now; what was a role yesterday is `other`. */
  readonly isRole: (name: string) => boolean;
  /** Of the process: off in tests of one metric. */
  readonly process?: boolean;
}

/** Roles besides `other` and `none`: an operator who makes them by a script must not fill a Prometheus. */
const MOST_ROLES = 50;

/** Gauges whose names say that they were counters: Prometheus' own checker objects, and they tell an operator nothing. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** All metrics, in a registry of their own. Nothing in them is a machine's: no MAC, address or hostname is a label. */
export function createMetrics({ isRole, process = true }: MetricsOptions): Metrics {
  const registry = new Registry();
  const bounded = createBoundedLabel(MOST_ROLES);
  const observe = createTrafficMetrics(registry);
  const advance = createBootMetrics(registry, (role) => (isRole(role) ? bounded(role) : 'other'));
  const databaseCall = createDatabaseMetrics(registry);
  const showCounters = createCounterMetrics(registry);
  const showState = createStateMetrics(registry);
  const queue = createQueueMetrics(registry);
  if (process) {
    collectDefaultMetrics({ register: registry });
    for (const name of MISNAMED) registry.removeSingleMetric(name);
  }
  return {
    observe,
    advance,
    databaseCall,
    noteQueued: (waited) => queue.admitted(waited),
    render(facts) {
      showCounters(facts.counters);
      showState(facts);
      queue.show(facts.queue);
      return registry.metrics();
    },
  };
}
