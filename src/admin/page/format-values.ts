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

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `512 B`, `1.5 KiB`, `64 GiB`. */
export function formatBytes(bytes: number): string {
  let left = Math.max(0, bytes);
  let unit = 0;
  while (left >= 1024 && unit < UNITS.length - 1) {
    left /= 1024;
    unit++;
  }
  const digits = unit === 0 || left >= 10 || Number.isInteger(left) ? 0 : 1;
  return `${left.toFixed(digits)} ${UNITS[unit]}`;
}
