import { setTimeout as delay } from 'node:timers/promises';
import type { NetworkInterface, ReadInterfaces } from './port.ts';

export interface WatchInterfacesOptions {
  /** Only what happens to these matters. */
  readonly names: readonly string[];
  /** What is known already; a first reading that differs from it is a change. */
  readonly known: readonly NetworkInterface[];
  readonly read: ReadInterfaces;
  readonly signal: AbortSignal;
  /** Waits between two readings; rejects when the signal is aborted. */
  readonly pause?: (signal: AbortSignal) => Promise<unknown>;
  /** A reading that failed; the next is tried all the same. */
  readonly onError: (error: unknown) => void;
}

/** Milliseconds. A reading costs a quarter of a millisecond, three with a hundred interfaces. */
const INTERVAL = 1000;

/**
 * All interfaces of the host, each time that one of `names` is not as it was: gone, there again, another device of the
 * same name, other addresses, MTU, flags. Ends with the signal.
 */
export async function* watchInterfaces(
  options: WatchInterfacesOptions,
): AsyncGenerator<readonly NetworkInterface[]> {
  const { names, read, signal, onError } = options;
  const pause = options.pause ?? ((until) => delay(INTERVAL, undefined, { signal: until }));
  const digest = (all: readonly NetworkInterface[]) => JSON.stringify(names.map((name) => of(all, name)));
  let known = digest(options.known);
  while (!signal.aborted) {
    try {
      await pause(signal);
    } catch {
      return;
    }
    let all: readonly NetworkInterface[];
    try {
      all = await read();
    } catch (error) {
      onError(error);
      continue;
    }
    const now = digest(all);
    if (now === known) continue;
    known = now;
    yield all;
  }
}

function of(all: readonly NetworkInterface[], name: string): NetworkInterface | null {
  return all.find((one) => one.name === name) ?? null;
}
