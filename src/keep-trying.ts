/** The first pause; each is twice the one before, up to the last. In ms. */
const FIRST_RETRY = 1000;
const LAST_RETRY = 30_000;

/**
 * Tries until there is nothing left to try, with longer and longer pauses. `attempt` says whether anything is left, and
 * never rejects.
 */
export function keepTrying(attempt: () => Promise<boolean>) {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const again = (pause: number): void => {
    timer = setTimeout(async () => {
      const left = await attempt();
      timer = undefined;
      if (left && !stopped) again(Math.min(pause * 2, LAST_RETRY));
    }, pause);
  };
  return {
    start(needed: boolean) {
      if (needed && timer === undefined && !stopped) again(FIRST_RETRY);
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
