/** What a storm cost the server, from what it says of itself before and after (docs/metrics.md). */
export interface ServerFigures {
  /** Of all its threads. */
  readonly cpuSeconds: number;
  /** Resident, before and after. */
  readonly memoryBytes: { readonly before: number; readonly after: number };
  /** How long its event loop was blocked at a time, in milliseconds. */
  readonly blocked: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly commits: { readonly leases: CommitFigures; readonly history: CommitFigures };
  /** Counters that say no good and rose meanwhile, by name. */
  readonly incidents: Readonly<Record<string, number>>;
}

export interface CommitFigures {
  readonly count: number;
  /** Of all of them together. */
  readonly seconds: number;
  /** Milliseconds: the upper bound of the bucket that it falls in. */
  readonly p99: number;
}

type Samples = ReadonlyMap<string, number>;

/** prom-client's, of `perf_hooks.monitorEventLoopDelay`: a loop that is never late is this late. In seconds. */
const RESOLUTION = 0.01;
const INCIDENTS = /^tinderbox_(incidents|packets_dropped|events_dropped|boot_stalls|security_alarms)_total\{/;

/** Both in the text format of Prometheus. The event loop's figures are of the time between the two. */
export function readServerFigures(before: string, after: string): ServerFigures {
  const [first, last] = [readSamples(before), readSamples(after)];
  const rise = (name: string): number => (last.get(name) ?? 0) - (first.get(name) ?? 0);
  const blocked = (name: string): number =>
    Math.max(0, ((last.get(`nodejs_eventloop_lag_${name}_seconds`) ?? 0) - RESOLUTION) * 1000);
  const incidents = [...last.keys()].filter((name) => INCIDENTS.test(name) && rise(name) > 0);
  return {
    cpuSeconds: rise('process_cpu_seconds_total'),
    memoryBytes: {
      before: first.get('process_resident_memory_bytes') ?? 0,
      after: last.get('process_resident_memory_bytes') ?? 0,
    },
    blocked: { p50: blocked('p50'), p99: blocked('p99'), max: blocked('max') },
    commits: { leases: commitsOf('leases', last, rise), history: commitsOf('history', last, rise) },
    incidents: Object.fromEntries(incidents.map((name) => [shorten(name), rise(name)])),
  };
}

function readSamples(text: string): Samples {
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line): [string, number] => [
        line.slice(0, line.lastIndexOf(' ')),
        Number(line.slice(line.lastIndexOf(' ') + 1)),
      ]),
  );
}

/** `tinderbox_incidents_total{incident="http.stalled"}` → `incidents http.stalled`. */
function shorten(name: string): string {
  const [, family = '', labels = ''] = /^tinderbox_(.+)_total\{(.*)\}$/.exec(name) ?? [];
  return `${family.replaceAll('_', ' ')}: ${[...labels.matchAll(/="([^"]*)"/g)].map((match) => match[1]).join(' ')}`;
}

function commitsOf(call: string, last: Samples, rise: (name: string) => number): CommitFigures {
  const count = rise(`tinderbox_database_call_seconds_count{call="${call}"}`);
  const buckets = [...last.keys()].flatMap((name) => {
    const [, bound, of] =
      /^tinderbox_database_call_seconds_bucket\{le="([^"]+)",call="(\w+)"\}$/.exec(name) ?? [];
    return of === call && bound !== undefined ? [{ bound: Number(bound), below: rise(name) }] : [];
  });
  // `+Inf` reads as NaN, and holds what no other bucket does.
  const finite = buckets.filter(({ bound }) => Number.isFinite(bound));
  const within = finite.toSorted((a, b) => a.bound - b.bound).find(({ below }) => below >= count * 0.99);
  const top = Math.max(0, ...finite.map(({ bound }) => bound));
  return {
    count,
    seconds: rise(`tinderbox_database_call_seconds_sum{call="${call}"}`),
    p99: count === 0 ? 0 : (within?.bound ?? top) * 1000,
  };
}
