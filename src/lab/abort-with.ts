/** Ends when `abort` says so, when its time is over, or with its parent. */
export interface LinkedAbort extends Disposable {
  readonly signal: AbortSignal;
  abort(): void;
}

/**
 * `ms`: its time. Once disposed it leaves nothing with its parent. AbortSignal.any does, as long as the parent lives: with thousands of
 * machines on one signal, memory grows, and its abort takes minutes.
 */
export function abortWith(parent: AbortSignal, ms?: number): LinkedAbort {
  const own = new AbortController();
  const abort = (): void => own.abort();
  const timer = ms === undefined ? undefined : setTimeout(abort, ms);
  if (parent.aborted) abort();
  else parent.addEventListener('abort', abort, { once: true });
  return {
    signal: own.signal,
    abort,
    [Symbol.dispose]() {
      clearTimeout(timer);
      parent.removeEventListener('abort', abort);
    },
  };
}
