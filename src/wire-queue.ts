import type { QueueView } from './admin/queue-api.ts';
import type { QueueHolder } from './boot/boot-queue.ts';
import { TinderboxError } from './errors.ts';
import type { BootPlaces } from './http/port.ts';
import { formatIpv4 } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import type { Journal } from './store/port.ts';

export interface QueueWiring {
  readonly queue: BootPlaces | undefined;
  readonly journal: Pick<Journal, 'machine' | 'record'>;
  readonly now: () => number;
}

/** Of loading and of waiting machines each: more are counted only. */
const MOST_SHOWN = 1_000;

/** The boot queue as people see it, and their hand on it. */
export function queueCommands({ queue, journal, now }: QueueWiring) {
  const list = (): QueueView => {
    if (queue === undefined) {
      const counts = { loading: 0, waiting: 0 };
      return { downloads: 0, largerThan: 0, counts, loading: [], waiting: [] };
    }
    const { places, largerThan } = queue;
    const view = queue.view(MOST_SHOWN);
    // Its clock does not jump; people read the other one.
    const offset = now() - view.now;
    const who = ({ mac, address, since }: Pick<QueueHolder, 'mac' | 'address' | 'since'>) => {
      const hostname = mac === undefined ? undefined : journal.machine(mac)?.hostname;
      return {
        ...(mac === undefined ? {} : { mac }),
        ...(hostname === undefined ? {} : { hostname }),
        ...(address === undefined ? {} : { address: formatIpv4(address) }),
        since: Math.round(offset + since),
      };
    };
    return {
      downloads: places,
      largerThan,
      counts: { loading: view.counts.holding, waiting: view.counts.waiting },
      loading: view.holders.map((holder) => ({
        ...who(holder),
        from: Math.round(offset + holder.from),
        downloads: holder.downloads,
      })),
      waiting: view.waiters.map(({ estimate, ...waiter }, index) => ({
        ...who(waiter),
        position: index + 1,
        ...(estimate === undefined ? {} : { estimate }),
      })),
    };
  };
  return {
    list,
    positionOf: (mac: Mac): number | undefined => queue?.positionOf(mac),
    /** Throws TinderboxError `not-found` for a machine that does not wait. */
    async first(mac: Mac): Promise<QueueView> {
      if (queue?.moveUp(mac) !== true) {
        throw new TinderboxError('not-found', `${mac} does not wait in the boot queue`, {
          remedy: 'See who does: tinderbox queue.',
        });
      }
      journal.record({
        at: now(),
        kind: 'http.script',
        outcome: 'noted',
        asked: 'tinderbox queue first',
        answered: 'it is the next',
        reasons: ['an operator moved it to the front of the boot queue'],
        mac,
        queued: true,
      });
      return list();
    },
  };
}
