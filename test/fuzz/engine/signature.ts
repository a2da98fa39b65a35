/** What tells one finding from another: the kind of error, its words without values, and where in src/ it came from. */
export function signatureOf(error: unknown): string {
  if (!(error instanceof Error)) return `thrown: ${typeof error}`;
  const words = error.message
    .replace(/["'`][^]*["'`]/g, '…')
    .replace(/\d+/g, '0')
    .slice(0, 120);
  const frames = (error.stack ?? '').split('\n').filter((line) => line.trimStart().startsWith('at '));
  const place =
    frames.find((line) => line.includes('/src/')) ?? frames.find((line) => line.includes('/fuzz/targets/'));
  const where = /([^/]+\.ts):(\d+)/.exec(place ?? '');
  return `${error.name}: ${words}${where === null ? '' : ` (${where[1]}:${where[2]})`}`;
}
