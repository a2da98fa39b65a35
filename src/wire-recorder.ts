import type { CatalogView } from './catalog/port.ts';
import type { Logger } from './logger.ts';
import { stageReached } from './machine/stage.ts';
import { createFlightRecorder, type FlightRecorder } from './store/flight-recorder.ts';
import type { Journal } from './store/port.ts';

export interface RecorderWiring {
  readonly journal: Pick<Journal, 'macAt' | 'sessionOf' | 'count'>;
  readonly catalog: Pick<CatalogView, 'current'>;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds with fractions, that never jump. */
  readonly uptime: () => number;
}

/** Who sends packets is asked in the journal, who is listed in the catalog. */
export function startRecorder({ journal, catalog, logger, now, uptime }: RecorderWiring): FlightRecorder {
  let said = false;
  return createFlightRecorder({
    macAt: journal.macAt,
    rankOf(mac) {
      if (catalog.current().machines.has(mac)) return 3;
      const session = journal.sessionOf(mac);
      if (session === undefined) return 0;
      // A DISCOVER is sent in a second under any name; a whole loader is fetched by who is there.
      return stageReached(session.stage, 'firmware') ? 2 : 1;
    },
    clock: now,
    uptime,
    complain(error) {
      journal.count('recorder.errors');
      if (!said) logger.error({ err: error }, 'a packet could not be kept for the capture of its machine');
      said = true;
    },
  });
}
