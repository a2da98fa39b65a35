import { Broken } from './target.ts';

/**
 * What tells one finding from another: an invariant by its place; another error by its kind, its words without values,
 * and where in src/ it came from.
 */
export function signatureOf(error: unknown): string {
  if (!(error instanceof Error)) return `thrown: ${typeof error}`;
  const frames = (error.stack ?? '').split('\n').filter((line) => line.trimStart().startsWith('at '));
  const held = frames.filter((line) => !line.includes('/fuzz/engine/'));
  if (error instanceof Broken) return `Broken${placeOf(held[0])}`;
  const words = error.message
    .replace(/["'`][^]*["'`]/g, '…')
    .replace(/\d+/g, '0')
    .slice(0, 120);
  return `${error.name}: ${words}${placeOf(frames.find((line) => line.includes('/src/')) ?? held[0])}`;
}

function placeOf(frame: string | undefined): string {
  const where = /([^/]+\.ts):(\d+)/.exec(frame ?? '');
  return where === null ? '' : ` (${where[1]}:${where[2]})`;
}
