import type { QueueWait } from './boot-queue.ts';

/** `3rd` */
export function ordinal(number: number): string {
  const teens = number % 100 >= 11 && number % 100 <= 13;
  const endings: { readonly [digit: number]: string } = teens ? {} : { 1: 'st', 2: 'nd', 3: 'rd' };
  return `${number}${endings[number % 10] ?? 'th'}`;
}

/** `about 3 min`: no more exact than it is known. Milliseconds. */
export function aboutTime(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return 'a few seconds';
  if (seconds < 55) return `about ${Math.ceil(seconds / 10) * 10} s`;
  if (seconds < 5_400) return `about ${Math.max(1, Math.round(seconds / 60))} min`;
  return `about ${Math.round(seconds / 3_600)} h`;
}

/** For a machine's screen: `12th in the queue, about 3 min`. */
export function describeTurn({ position, estimate }: Pick<QueueWait, 'position' | 'estimate'>): string {
  return [`${ordinal(position)} in the queue`, ...(estimate === undefined ? [] : [aboutTime(estimate)])].join(
    ', ',
  );
}

/** For its timeline: `waits for its turn, 12th of 40, about 3 min`. */
export function describeWait({
  position,
  of,
  estimate,
}: Pick<QueueWait, 'position' | 'of' | 'estimate'>): string {
  const time = estimate === undefined ? '' : `, ${aboutTime(estimate)}`;
  return `waits for its turn, ${ordinal(position)} of ${of}${time}`;
}
