/** Ends when `abort` says so, or with its parent. */
export interface LinkedAbort extends Disposable {
  readonly signal: AbortSignal;
  abort(): void;
}

/**
 * Once disposed it leaves nothing with its parent. AbortSignal.any does, as long as the parent lives: with thousands of
 * machines on one signal, memory grows, and its abort takes minutes.
 */
export function abortWith(parent: AbortSignal): LinkedAbort {
  const own = new AbortController();
  const abort = (): void => own.abort();
  if (parent.aborted) abort();
  else parent.addEventListener('abort', abort, { once: true });
  return {
    signal: own.signal,
    abort,
    [Symbol.dispose]: () => parent.removeEventListener('abort', abort),
  };
}
