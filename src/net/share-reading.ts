/**
 * The same reading for all who ask within `fresh` milliseconds: where hundreds ask at once, a reading each costs more than
 * there is. `uptime`: milliseconds that never go back.
 */
export function shareReading<Reading>(
  read: () => Promise<Reading>,
  fresh: number,
  uptime: () => number,
): () => Promise<Reading> {
  let last: { readonly at: number; readonly reading: Promise<Reading> } | undefined;
  return () => {
    const at = uptime();
    if (last === undefined || at - last.at >= fresh) last = { at, reading: read() };
    return last.reading;
  };
}
