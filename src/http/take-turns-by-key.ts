export interface KeyedTurns {
  /** Runs the job after those that came before with the same key; throws what the job throws. */
  run<T>(key: string, job: () => Promise<T>): Promise<T>;
}

/** One job after the other for each key. As many wait as there are requests: connections are bounded. */
export function createKeyedTurns(): KeyedTurns {
  const last = new Map<string, Promise<void>>();
  return {
    async run(key, job) {
      const before = last.get(key);
      const { promise: mine, resolve: leave } = Promise.withResolvers<void>();
      last.set(key, mine);
      try {
        await before;
        return await job();
      } finally {
        if (last.get(key) === mine) last.delete(key);
        leave();
      }
    },
  };
}
