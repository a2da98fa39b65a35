import { usageError } from './exit.ts';

/** The longest that certificates of Tinderbox live. */
const MAX_DAYS = 365;

/** Throws TinderboxError `usage` on what is no number of days from 1 to 365. */
export function requireDays(flag: string, text: string): number {
  const days = /^[1-9]\d{0,3}$/.test(text) ? Number(text) : Number.NaN;
  if (days <= MAX_DAYS) return days;
  throw usageError(`${flag} is a number of days from 1 to ${MAX_DAYS}, not '${text}'`, `Write ${flag} 30.`);
}
