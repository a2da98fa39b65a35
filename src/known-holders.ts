import type { AdmissionListView, MachineListView, MachineView } from './admin/api.ts';
import type { AdmissionPlaces } from './boot/admit-machine.ts';
import type { MachineFacts } from './machine/facts.ts';
import { parseIpv4 } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import type { OnceUse, OnceUses } from './machine/once.ts';
import type { MachineMemory } from './preview.ts';
import type { AdmissionRecord, StoreReader } from './store/port.ts';

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

/** What was booted by a `once:`, as it was read: whether a boot is under way, only a running daemon knows. */
export function usesOf(uses: readonly OnceUse[]): OnceUses {
  const known = new Map(uses.map((use) => [use.mac, use]));
  return { useOf: (mac) => known.get(mac), isUnderWay: () => false };
}

/** What a client, or the store, remembers beside machines. */
export function memoryOf({ admissions, onceUses }: AdmissionListView): MachineMemory {
  return { places: placesOf(admissions), uses: usesOf(onceUses) };
}

export async function admissionsOf(
  store: Pick<StoreReader, 'listAdmissions' | 'listOnceUses'>,
): Promise<AdmissionListView> {
  return { admissions: await store.listAdmissions(), onceUses: await store.listOnceUses() };
}
