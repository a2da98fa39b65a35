/** So much is written in one turn of the event loop, by all downloads together: a millisecond's work (measured). */
const TURN_BYTES = 2 * 1024 * 1024;

/** Lets what else waits for the main thread have its turn. */
export interface WriteTurns {
  /** Resolves when so many bytes more may be written, in the order of who asked. */
  take(bytes: number): Promise<void>;
}

export function createWriteTurns(): WriteTurns {
  const waiting: { readonly bytes: number; readonly go: () => void }[] = [];
  let left = TURN_BYTES;
  let timed = false;

  const next = (): void => {
    timed = false;
    left = TURN_BYTES;
    while (left > 0 && waiting.length > 0) {
      const first = waiting.shift();
      left -= first?.bytes ?? 0;
      first?.go();
    }
    if (waiting.length > 0) schedule();
  };
  const schedule = (): void => {
    if (timed) return;
    timed = true;
    // After what came in over the network meanwhile.
    setImmediate(next);
  };
  return {
    take(bytes) {
      schedule();
      if (left > 0 && waiting.length === 0) {
        left -= bytes;
        return Promise.resolve();
      }
      return new Promise((go) => void waiting.push({ bytes, go }));
    },
  };
}
