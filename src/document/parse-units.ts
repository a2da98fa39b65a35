const DURATION_UNITS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 };
const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/** `1h`, `30m`, `3600`, `3600s`, `1d` → seconds; undefined for anything else. */
export function parseDuration(value: string | number): number | undefined {
  return parseWithUnits(String(value), DURATION_UNITS);
}

/** `512MiB`, `2GB`, `1048576` → bytes; undefined for anything else. */
export function parseSize(value: string | number): number | undefined {
  return parseWithUnits(String(value), SIZE_UNITS);
}

function parseWithUnits(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d{1,15})([A-Za-z]*)$/.exec(text);
  const unit = match?.[2] ?? '';
  if (match === null || !Object.hasOwn(units, unit)) return undefined;
  const value = Number(match[1]) * (units[unit] ?? 1);
  return Number.isSafeInteger(value) ? value : undefined;
}
