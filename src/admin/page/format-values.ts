const two = (count: number): string => String(count).padStart(2, '0');

/** Milliseconds of something that took so long: `340 ms`, `12.3 s`, `2 min 05 s`, `3 h 07 min`. */
export function formatDuration(ms: number): string {
  const known = Math.max(0, ms);
  if (known < 1_000) return `${Math.round(known)} ms`;
  if (known < 60_000) return `${(Math.floor(known / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(known / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3_600)} h ${two(Math.floor((seconds % 3_600) / 60))} min`;
}
