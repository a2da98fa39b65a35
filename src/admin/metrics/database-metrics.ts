import { Histogram, type Registry } from 'prom-client';

/** From a commit without fsync to a disk that has other things to do. In seconds. */
const BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/** What the calls of the database's thread are: leases that a machine waits for, and events that are written behind its back. */
const LABELS: Readonly<Record<string, string>> = { commitPacked: 'leases', appendHistory: 'history' };

export function createDatabaseMetrics(registry: Registry): (call: string, ms: number) => void {
  const calls = new Histogram({
    name: 'tinderbox_database_call_seconds',
    help: "How long the database's thread took, by what it was asked: leases and history are commits.",
    labelNames: ['call'],
    buckets: BUCKETS,
    registers: [registry],
  });
  return (call, ms) => calls.observe({ call: LABELS[call] ?? 'other' }, ms / 1000);
}
