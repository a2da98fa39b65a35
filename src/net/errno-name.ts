import { constants } from 'node:os';

/** `ENETUNREACH`, as Node's own errors have it in `code`. */
export function errnoName(errno: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}
