import { Gauge, Histogram, type Registry } from 'prom-client';
import type { MetricFacts } from './port.ts';

/** From a place that was free to a hall that is powered on. In seconds. */
const BUCKETS = [1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600];

/** Who loads a boot's large files, who waits for that, and for how long those waited that load. */
export function createQueueMetrics(registry: Registry): {
  /** Milliseconds. */
  admitted(waited: number): void;
  show(queue: MetricFacts['queue']): void;
} {
  const registers = [registry];
  const limit = new Gauge({
    name: 'tinderbox_boot_queue_limit',
    help: 'So many machines load large files at once (http.queue.downloads); 0: any number.',
    registers,
  });
  const downloading = new Gauge({
    name: 'tinderbox_boot_queue_downloading',
    help: 'Machines that have a place: they load large files, or are about to.',
    registers,
  });
  const waiting = new Gauge({
    name: 'tinderbox_boot_queue_waiting',
    help: 'Machines that wait for a place.',
    registers,
  });
  const waited = new Histogram({
    name: 'tinderbox_boot_queue_waited_seconds',
    help: 'How long machines waited that got a place.',
    buckets: BUCKETS,
    registers,
  });
  return {
    admitted: (ms) => waited.observe(Math.max(0, ms) / 1000),
    show(queue) {
      limit.set(queue?.places ?? 0);
      downloading.set(queue?.holding ?? 0);
      waiting.set(queue?.waiting ?? 0);
    },
  };
}
