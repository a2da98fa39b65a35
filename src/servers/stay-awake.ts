/** Milliseconds. A client on the same switch answers a block in less; a transfer of a loader is fifty blocks. */
const AWAKE_TIME = 0.1;

/**
 * Keeps the event loop polling for a moment after a block was sent, instead of sleeping until the ACK comes: in lock
 * step the waking of a sleeping processor, tens of microseconds, is most of the time of a block. Everything else on
 * the loop is served meanwhile as ever. It is about the processor's time, so that no clock is passed in.
 */
export function createStayAwake(): () => void {
  let until = 0;
  let polling = false;
  const poll = (): void => {
    if (performance.now() < until) setImmediate(poll);
    else polling = false;
  };
  return () => {
    until = performance.now() + AWAKE_TIME;
    if (polling) return;
    polling = true;
    setImmediate(poll);
  };
}
