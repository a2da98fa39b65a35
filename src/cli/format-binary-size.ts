const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `412 MiB`, `1.4 GiB`: three digits at most. */
export function formatBinarySize(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  const digits = unit === 0 || value >= 10 ? Math.round(value).toString() : value.toFixed(1);
  return `${digits} ${UNITS[unit]}`;
}
