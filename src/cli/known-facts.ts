import type { AdminClient } from '../admin/client.ts';
import type { Config } from '../config/port.ts';
import { type TinderboxError, toTinderboxError } from '../errors.ts';
import { factsOf, holdersOf, memoryOf } from '../known-holders.ts';
import type { MachineFacts } from '../machine/facts.ts';
import type { Mac } from '../machine/mac.ts';
import { openOfflineClient } from '../offline-client.ts';
import { type MachineMemory, NO_MEMORY } from '../preview.ts';
import { findDaemon } from './find-daemon.ts';
import { readAllMachines } from './read-all-machines.ts';

export interface KnownFacts {
  /** The MAC alone of a machine that was never seen. */
  readonly facts: MachineFacts;
  readonly seen: boolean;
  /** The interface that it was last heard on. */
  readonly via?: string;
  /** Who boots, or last booted, under a hostname. */
  readonly holders: ReadonlyMap<string, Mac>;
  /** Whom rules with `max` have admitted, and what was booted once. */
  readonly memory: MachineMemory;
  /** Why nothing is known although there is something to know. */
  readonly unknown?: TinderboxError;
}

/** What the running daemon has seen of a machine and its neighbours; where none runs, what its database holds. */
export async function readKnownFacts(config: Config, mac: Mac): Promise<KnownFacts> {
  const daemon = await findDaemon(config);
  if (daemon !== undefined) return readFrom(daemon, mac);
  try {
    await using client = await openOfflineClient(config);
    return await readFrom(client, mac);
  } catch (thrown) {
    const unknown = toTinderboxError(thrown);
    const nothing = { facts: { mac }, seen: false, holders: new Map(), memory: NO_MEMORY };
    // There is no database before the first start.
    return unknown.code === 'not-found' ? nothing : { ...nothing, unknown };
  }
}

async function readFrom(client: AdminClient, mac: Mac): Promise<KnownFacts> {
  const { machines } = await readAllMachines(client);
  const holders = holdersOf(machines);
  const seen = machines.find(({ machine }) => machine.mac === mac)?.machine;
  const memory = memoryOf(await client.admissions());
  if (seen === undefined) return { facts: { mac }, seen: false, holders, memory };
  return {
    facts: factsOf(seen),
    seen: true,
    ...(seen.via === undefined ? {} : { via: seen.via }),
    holders,
    memory,
  };
}
