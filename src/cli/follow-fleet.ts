import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminClient } from '../admin/client.ts';
import { toTinderboxError } from '../errors.ts';
import type { BootEvent } from '../machine/event.ts';
import type { Mac } from '../machine/mac.ts';
import { type FleetRow, fleetRow } from './fleet-rows.ts';
import { readAllMachines } from './read-all-machines.ts';

export type FleetClient = Pick<AdminClient, 'listMachines' | 'machine' | 'follow'>;

export interface FollowFleetOptions {
  /** The running daemon; undefined: none runs. */
  readonly connect: () => Promise<FleetClient | undefined>;
  /** After each change: the rows as they are now. The map is the same one each time. */
  readonly onRows: (rows: ReadonlyMap<Mac, FleetRow>) => void;
  /** Undefined: the rows are live (again). */
  readonly onTrouble: (trouble: string | undefined) => void;
  readonly signal: AbortSignal;
  /** Milliseconds between two looks at what changed, and between two tries to connect. */
  readonly pause?: number;
}

const PAUSE = 500;
/** Milliseconds: what no event tells (a machine was forgotten, history was pruned) shows after so long. */
const WHOLE_EVERY = 30_000;
/** With more machines than this that changed at once, the whole list costs less than each of them. */
const ONE_BY_ONE = 16;

/**
 * Keeps the rows of a fleet as the daemon has them, over its restarts, until the signal aborts. Rejects only where the
 * first connection is refused or nobody listens.
 */
export async function followFleet(options: FollowFleetOptions): Promise<void> {
  const { signal, onTrouble, pause = PAUSE } = options;
  for (let first = true; !signal.aborted; first = false) {
    try {
      const client = await options.connect();
      if (client !== undefined) await followOnce(client, options, () => onTrouble(undefined));
      else if (first) return;
    } catch (thrown) {
      const error = toTinderboxError(thrown);
      if (signal.aborted) return;
      if (first || error.code === 'internal') throw error;
    }
    if (signal.aborted) return;
    onTrouble('the daemon does not answer; what is shown is what it said last. Trying again …');
    await sleep(pause, undefined, { signal }).catch(() => undefined);
  }
}

async function followOnce(
  client: FleetClient,
  { onRows, signal, pause = PAUSE }: FollowFleetOptions,
  onLive: () => void,
): Promise<void> {
  const gone = new AbortController();
  // Opened before the list is read: what happens in between is in one of the two.
  const stream = await client.follow({ signal: AbortSignal.any([signal, gone.signal]) });
  const heard: Heard = { changed: new Set(), ended: false, wake: undefined };
  const reading = listen(stream, heard);
  // It is waited for at the end, and may fail before.
  reading.catch(() => undefined);
  try {
    const rows = new Map<Mac, FleetRow>();
    for (let wholeAt = 0; !heard.ended; ) {
      const dirty = [...heard.changed];
      heard.changed.clear();
      const whole = Date.now() - wholeAt > WHOLE_EVERY || dirty.length > ONE_BY_ONE;
      await (whole ? readWhole(client, rows) : readSome(client, rows, dirty));
      if (wholeAt === 0) onLive();
      if (whole) wholeAt = Date.now();
      onRows(rows);
      await sleep(pause, undefined, { signal }).catch(() => undefined);
      await news(heard);
    }
    await reading;
  } finally {
    gone.abort();
  }
}

interface Heard {
  readonly changed: Set<Mac>;
  ended: boolean;
  wake: (() => void) | undefined;
}

async function listen(stream: AsyncIterable<BootEvent>, heard: Heard): Promise<void> {
  try {
    for await (const { mac } of stream) {
      if (mac === undefined) continue;
      heard.changed.add(mac);
      heard.wake?.();
    }
  } finally {
    heard.ended = true;
    heard.wake?.();
  }
}

/** Something changed, the stream ended, or it is time to read everything again. */
async function news(heard: Heard): Promise<void> {
  if (heard.changed.size > 0 || heard.ended) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  heard.wake = resolve;
  const timer = setTimeout(resolve, WHOLE_EVERY);
  await promise;
  clearTimeout(timer);
  heard.wake = undefined;
}

async function readWhole(client: FleetClient, rows: Map<Mac, FleetRow>): Promise<void> {
  const { machines } = await readAllMachines(client);
  rows.clear();
  for (const one of machines) rows.set(one.machine.mac, fleetRow(one));
}

async function readSome(client: FleetClient, rows: Map<Mac, FleetRow>, macs: readonly Mac[]): Promise<void> {
  for (const mac of macs) {
    try {
      const { machine, sessions } = await client.machine(mac);
      const session = sessions.find(({ signingUntil }) => signingUntil === undefined);
      rows.set(mac, fleetRow({ machine, ...(session === undefined ? {} : { session }) }));
    } catch (thrown) {
      if (toTinderboxError(thrown).code !== 'not-found') throw thrown;
      rows.delete(mac);
    }
  }
}
