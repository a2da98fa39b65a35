import type { MachineListView, MachineView } from './admin/api.ts';
import type { AdmissionPlaces } from './boot/admit-machine.ts';
import type { MachineFacts } from './machine/facts.ts';
import { parseIpv4 } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import type { AdmissionRecord } from './store/port.ts';

/** Who boots, or last booted, under a hostname. `machines`: the newest first. */
export function holdersOf(machines: MachineListView['machines']): ReadonlyMap<string, Mac> {
  const holders = new Map<string, Mac>();
  for (const { machine, session } of machines) {
    const hostname = session?.hostname ?? machine.hostname;
    if (hostname !== undefined && !holders.has(hostname)) holders.set(hostname, machine.mac);
  }
  return holders;
}

/** A machine as it is told, as what is known of it. */
export function factsOf({ address, relay, ...facts }: MachineView): MachineFacts {
  const own = parseIpv4(address ?? '');
  const relayAddress = parseIpv4(relay ?? '');
  return {
    ...facts,
    ...(own === undefined ? {} : { address: own }),
    ...(relayAddress === undefined ? {} : { relay: relayAddress }),
  };
}

/** Whom rules with `max` have admitted, as it was read. */
export function placesOf(admissions: readonly AdmissionRecord[]): AdmissionPlaces {
  const rules = new Map(admissions.map(({ mac, rule }) => [mac, rule]));
  return {
    ruleOf: (mac) => rules.get(mac),
    countOf: (rule) => admissions.filter((one) => one.rule === rule).length,
  };
}
