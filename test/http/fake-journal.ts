import { advanceSession } from '../../src/boot/boot-session.ts';
import { openTokenSession } from '../../src/boot/open-token-session.ts';
import { type BootEvent, readText } from '../../src/machine/event.ts';
import type { MachineFacts } from '../../src/machine/facts.ts';
import type { Hardware } from '../../src/machine/hardware.ts';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { BootSession } from '../../src/machine/session.ts';
import type { Journal, Observation } from '../../src/store/port.ts';

export interface FakeJournal extends Journal {
  readonly observations: Observation[];
  readonly sessions: Map<number, BootSession>;
}

/** A journal in memory with the real rules of boot sessions and none of the bounds. */
export function createFakeJournal(): FakeJournal {
  const idleTime = 3_600_000;
  const observations: Observation[] = [];
  const sessions = new Map<number, BootSession>();
  const newest = new Map<Mac, number>();
  const tokens = new Map<Mac, number>();
  const machines = new Map<Mac, MachineFacts>();
  const hardware = new Map<Mac, Hardware>();
  const addresses = new Map<Ipv4, Mac>();
  const counts = new Map<string, number>();
  const listeners = new Set<(event: BootEvent) => void>();
  const sessionOf = (mac: Mac) => sessions.get(newest.get(mac) ?? 0);

  return {
    observations,
    sessions,
    record(observation) {
      observations.push(observation);
      const { mac } = observation;
      let session: BootSession | undefined;
      if (mac !== undefined) {
        if (observation.hardware !== undefined) hardware.set(mac, observation.hardware);
        machines.set(mac, { ...machines.get(mac), ...observation.facts, mac });
        const nextId = sessions.size + 1;
        const { signingUntil, sessionId } = observation;
        const isToken =
          signingUntil !== undefined || (sessionId !== undefined && sessionId === tokens.get(mac));
        const ids = isToken ? tokens : newest;
        const before = sessions.get(ids.get(mac) ?? 0);
        const isLate = sessionId !== undefined && before !== undefined && sessionId !== before.id;
        const advance = isLate
          ? { session: before, ended: undefined }
          : signingUntil === undefined
            ? advanceSession(before, observation, { mac, nextId, idleTime })
            : openTokenSession(before, { ...observation, signingUntil }, { mac, nextId });
        if (advance.ended !== undefined) sessions.set(advance.ended.id, advance.ended);
        session = advance.session;
        if (session !== undefined) {
          sessions.set(session.id, session);
          ids.set(mac, session.id);
        }
      }
      const event: BootEvent = {
        ...observation,
        asked: readText(observation.asked),
        answered: readText(observation.answered),
        ...(session === undefined ? {} : { sessionId: session.id }),
      };
      for (const listener of listeners) listener(event);
      return session;
    },
    sessionOf,
    sessionById: (id) => sessions.get(id),
    machine(mac) {
      const facts = machines.get(mac);
      const known = hardware.get(mac);
      if (facts === undefined) return undefined;
      return { ...facts, firstSeen: 1, lastSeen: 2, ...(known === undefined ? {} : { hardware: known }) };
    },
    keepRecord(mac) {
      const facts = machines.get(mac);
      return facts === undefined ? undefined : { ...facts, firstSeen: 1, lastSeen: 2 };
    },
    addressUser: () => undefined,
    hostnameHolder: (hostname) =>
      [...sessions.values()].find((session) => session.hostname === hostname)?.mac,
    *joiningMachines() {
      for (const mac of newest.keys()) {
        const session = sessionOf(mac);
        if (session?.lastStage === 'ready') yield { facts: { ...machines.get(mac), mac }, session };
      }
    },
    async forget(mac) {
      newest.delete(mac);
      return machines.delete(mac);
    },
    macAt: (address) => addresses.get(address),
    learnAddress: (address, mac) => void addresses.set(address, mac),
    count: (name) => void counts.set(name, (counts.get(name) ?? 0) + 1),
    counters: () => counts,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    written: async () => undefined,
    flush: async () => undefined,
  };
}
