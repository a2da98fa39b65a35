/**
 * Whether a line of this cause may go to the log now, and if so how many were held back since the one before.
 * Causes are fixed texts: each is remembered for good.
 */
export type Turn = (cause: string) => { readonly held: number } | undefined;

/** At most one line in `pause` milliseconds for each cause. `uptime` never goes back, as the time of day may. */
export function sayRarely(pause: number, uptime: () => number = () => performance.now()): Turn {
  const causes = new Map<string, { last: number; held: number }>();
  return (cause) => {
    const at = uptime();
    const known = causes.get(cause);
    if (known !== undefined && at - known.last < pause) {
      known.held++;
      return undefined;
    }
    causes.set(cause, { last: at, held: 0 });
    return { held: known?.held ?? 0 };
  };
}
