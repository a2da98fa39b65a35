import type { DaemonStatus } from './admin/api.ts';
import { createMetrics, type Metrics } from './admin/metrics/create-metrics.ts';
import type { MetricFacts } from './admin/metrics/port.ts';
import type { CatalogView } from './catalog/port.ts';
import type { BootPlaces } from './http/port.ts';
import { formatNetwork, type Ipv4, rangeContains } from './machine/ipv4.ts';
import type { Catalog } from './machine/role.ts';
import type { BootSession } from './machine/session.ts';
import type { Authorities } from './pki/port.ts';
import type { ProvisioningNetworks } from './provisioning.ts';
import { rememberReservations } from './remember-reservations.ts';
import type { FlightRecorder } from './store/flight-recorder.ts';
import type { Journal, LeaseBook } from './store/port.ts';

export interface DaemonMetrics extends Omit<Metrics, 'render'> {
  /** When a certificate of Tinderbox's own ends, in ms since the epoch; a renewed one replaces what is known. */
  noteCertificate(name: string, notAfter: number): void;
  render(sources: MetricSources): Promise<string>;
}

/** What is asked at each scrape. */
export interface MetricSources {
  readonly status: DaemonStatus;
  readonly sessions: () => Iterable<BootSession>;
  readonly journal: Pick<Journal, 'counters'>;
  readonly catalog: Pick<CatalogView, 'current'>;
  readonly networks: () => Pick<ProvisioningNetworks, 'subnets' | 'ownAddresses'>;
  readonly leases: Pick<LeaseBook, 'held'>;
  readonly recorder: Pick<FlightRecorder, 'size'>;
  readonly queue: Pick<BootPlaces, 'places' | 'view'> | undefined;
  readonly authorities: Pick<Authorities, 'describe'> | undefined;
  readonly now: () => number;
}

export function createDaemonMetrics(catalog: Pick<CatalogView, 'current'>): DaemonMetrics {
  const own = new Map<string, number>();
  const reservedIn = rememberReservations();
  const metrics = createMetrics({ isRole: (name) => catalog.current().roles.has(name) });
  return {
    ...metrics,
    noteCertificate: (name, notAfter) => void own.set(name, notAfter),
    render(sources) {
      const { status, sessions, journal, recorder, queue, authorities, now } = sources;
      const certificates = [
        ...(authorities?.describe() ?? []).map(({ name, notAfter }) => ({
          name: `authority/${name}`,
          notAfter,
        })),
        ...[...own].map(([name, notAfter]) => ({ name: `tinderbox/${name}`, notAfter })),
      ];
      return metrics.render({
        status,
        uptime: Math.max(0, now() - status.startedAt) / 1000,
        now: now(),
        counters: journal.counters(),
        sessions: sessions(),
        certificates,
        pools: status.mode === 'server' ? poolsOf(sources, reservedIn) : [],
        packets: recorder.size(),
        ...(queue === undefined ? {} : { queue: { places: queue.places, ...queue.view(0).counts } }),
      });
    },
  };
}

/** Reservations and addresses of our own are given to nobody else, and count as no part of a pool. */
export function poolsOf(
  { catalog, networks, leases }: Pick<MetricSources, 'catalog' | 'networks' | 'leases'>,
  reservedIn: (catalog: Catalog) => ReadonlySet<Ipv4>,
): MetricFacts['pools'] {
  const { subnets, ownAddresses } = networks();
  const excluded = new Set([...ownAddresses, ...reservedIn(catalog.current())]);
  const held = [...leases.held()].filter((address) => !excluded.has(address));
  return subnets.map(({ network, ranges }) => {
    const within = (address: Ipv4) => ranges.some((range) => rangeContains(range, address));
    const all = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
    const size = all - [...excluded].filter(within).length;
    return { subnet: formatNetwork(network), size, free: size - held.filter(within).length };
  });
}
