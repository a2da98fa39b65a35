import { TinderboxError } from '../errors.ts';

/** Throws TinderboxError `usage`. */
export function sessionNumber(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new TinderboxError('usage', `'${text}' is not the number of a session`, {
    remedy: 'Write --session 17.',
  });
}
