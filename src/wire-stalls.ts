import { mirrorsNear } from './boot/choose-mirrors.ts';
import { chooseRole } from './boot/choose-role.ts';
import { createDiagnosisFacts } from './diagnosis-facts.ts';
import type { MachineFacts } from './machine/facts.ts';
import type { DaemonParts } from './start-servers.ts';
import type { ClosableJournal } from './store/journal.ts';
import { type StallWatch, watchStalls } from './watch-stalls.ts';

export interface StallWiring
  extends Pick<
    DaemonParts,
    | 'config'
    | 'catalog'
    | 'preflight'
    | 'provisioning'
    | 'store'
    | 'dhcpServers'
    | 'cluster'
    | 'once'
    | 'queue'
    | 'loggers'
    | 'now'
  > {
  readonly journal: ClosableJournal;
  readonly uptime: () => number;
}

/** Diagnoses the machines that do not go on, by what this daemon recorded and knows. Looks at nothing yet. */
export function watchStallsOn(wiring: StallWiring): StallWatch {
  const { config, catalog, preflight, provisioning, loggers, journal, once, queue } = wiring;
  return watchStalls({
    ...wiring,
    roleOf: (name) => catalog.current().roles.get(name),
    expectedRole: (mac) => chooseRole(journal.machine(mac) ?? { mac }, catalog.current(), once).role,
    hasMirror({ mac, address }) {
      const facts: MachineFacts = {
        mac,
        ...journal.machine(mac),
        ...(address === undefined ? {} : { address }),
      };
      return mirrorsNear(config.assets.mirrors, facts).length > 0;
    },
    stageTime: config.stageTime,
    isQueued: (mac) => queue?.positionOf(mac) !== undefined,
    facts: createDiagnosisFacts({
      ...wiring,
      networks: () => provisioning.networks(),
      bootFileIndex: preflight.bootFileIndex,
    }),
    logger: loggers.daemon,
  });
}
