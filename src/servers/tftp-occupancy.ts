/** Between two looks for what is to be sent again: one timer for all transfers, and none while there are none. */
const TICK = 10;
/** Milliseconds without any transfer after which `onIdle` is called. */
const IDLE = 30_000;

/** How many transfers there are, and the timers that depend on it. */
export interface Occupancy {
  count(): number;
  enter(): void;
  leave(): void;
  /** Resolves when there are none, at the latest after `ms`. */
  untilEmpty(ms: number): Promise<void>;
  stop(): void;
}

export function createOccupancy(onTick: () => void, onIdle: () => void): Occupancy {
  let count = 0;
  let ticker: NodeJS.Timeout | undefined;
  let idle: NodeJS.Timeout | undefined;
  let whenEmpty: (() => void) | undefined;
  let stopped = false;

  const stopTicking = (): void => {
    clearInterval(ticker);
    ticker = undefined;
  };

  return {
    count: () => count,
    enter() {
      count++;
      clearTimeout(idle);
      // After what has come meanwhile was read: a process that got no processor for a while would else send again what
      // was acknowledged long ago.
      ticker ??= setInterval(() => setImmediate(onTick), TICK);
    },
    leave() {
      count--;
      if (count > 0) return;
      stopTicking();
      if (!stopped) idle = setTimeout(onIdle, IDLE).unref();
      whenEmpty?.();
    },
    async untilEmpty(ms) {
      if (count === 0) return;
      let limit: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        whenEmpty = resolve;
        limit = setTimeout(resolve, ms);
      });
      clearTimeout(limit);
    },
    stop() {
      stopped = true;
      stopTicking();
      clearTimeout(idle);
    },
  };
}
