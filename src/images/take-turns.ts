/** Work of which so much may be done at one time, the rest in the order in which it came. */
export interface Turns {
  /** Resolves when it is one's turn. Rejects once `signal` is aborted. */
  take(signal: AbortSignal): Promise<AsyncDisposable>;
}

export function createTurns(most: number): Turns {
  let free = most;
  const waiting: (() => void)[] = [];
  const give = (): void => {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  };
  return {
    async take(signal) {
      if (free > 0) free--;
      else {
        await new Promise<void>((resolve) => {
          waiting.push(resolve);
          signal.addEventListener(
            'abort',
            () => {
              const at = waiting.indexOf(resolve);
              if (at === -1) return;
              waiting.splice(at, 1);
              free--;
              resolve();
            },
            { once: true },
          );
        });
      }
      if (signal.aborted) {
        give();
        signal.throwIfAborted();
      }
      return {
        [Symbol.asyncDispose]: () => {
          give();
          return Promise.resolve();
        },
      };
    },
  };
}
