import type { ServerResponse } from 'node:http';

/**
 * Ends an answer whose reader has taken nothing for `allowed` ms, and at most twice as long: what the answer holds,
 * others wait for. A slow reader is none that stopped.
 */
export function endWhenStalled(response: ServerResponse, allowed: number): void {
  let before = response.socket?.bytesWritten;
  const timer = setInterval(() => {
    // Nothing more is written while what was is not taken.
    const written = response.socket?.bytesWritten;
    if (written === before) response.destroy();
    before = written;
  }, allowed);
  response.once('close', () => clearInterval(timer));
  if (response.destroyed) clearInterval(timer);
}
