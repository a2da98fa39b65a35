import { Counter, Gauge, type Registry } from 'prom-client';
import type { DaemonStatus } from '../api.ts';

const WAYS = ['held', 'joined', 'fetched', 'refused'] as const;

/** What is fetched from another server when it is asked for; nothing of it is shown where nothing is. */
export function createPullMetrics(registry: Registry): (state: DaemonStatus['pullThrough']) => void {
  const registers = [registry];
  const requests = new Counter({
    name: 'tinderbox_pull_through_requests_total',
    help: 'Requests for files that are not in paths.assets, by how they were served: held, joined (a fetch of another), fetched, refused.',
    labelNames: ['way'],
    registers,
  });
  const unchecked = new Counter({
    name: 'tinderbox_pull_through_unchecked_total',
    help: 'Requests that got what was held although the other server could not be asked for a newer one.',
    registers,
  });
  const fetched = new Counter({
    name: 'tinderbox_pull_through_fetched_bytes_total',
    help: 'Bytes that came from the other server.',
    registers,
  });
  const up = new Gauge({
    name: 'tinderbox_pull_through_up',
    help: 'Whether the other server answered when it was last asked.',
    labelNames: ['from'],
    registers,
  });
  const files = new Gauge({
    name: 'tinderbox_pull_through_files',
    help: 'Fetched files that are held.',
    registers,
  });
  const bytes = new Gauge({
    name: 'tinderbox_pull_through_bytes',
    help: 'What fetched files take, unfinished ones too.',
    registers,
  });
  const limit = new Gauge({
    name: 'tinderbox_pull_through_max_bytes',
    help: 'What assets.pullThrough.maxBytes allows.',
    registers,
  });
  return (state) => {
    for (const metric of [requests, unchecked, fetched, up, files, bytes, limit]) metric.reset();
    if (state === undefined) return;
    for (const way of WAYS) requests.inc({ way }, state[way]);
    unchecked.inc(state.unchecked);
    fetched.inc(state.fetchedBytes);
    up.set({ from: state.from }, Number(state.upstream !== 'down'));
    files.set(state.files);
    bytes.set(state.bytes);
    limit.set(state.maxBytes);
  };
}
