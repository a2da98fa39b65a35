import { detectBootLoop, type LoaderAttempts } from '../boot/detect-boot-loop.ts';
import type { NetworkClient } from '../boot/identify-client.ts';
import type { BootEvent } from '../machine/event.ts';
import type { Mac } from '../machine/mac.ts';

/** A flood of forged addresses must not grow these maps; the oldest entry goes first. */
const MAX_MACHINES = 10_000;

export interface BootLoopWatch {
  /** Reasons not to answer this DISCOVER; empty: answer. An iPXE clears its machine's count. */
  reasonsAgainst(client: NetworkClient, now: number): readonly string[];
  /** To be called with each recorded event: whole TFTP downloads are what is counted. */
  notice(event: BootEvent): void;
}

/** Remembers which machines took their loader, over all interfaces. */
export function watchBootLoops(): BootLoopWatch {
  const takenAt = new Map<Mac, number>();
  const attempts = new Map<Mac, LoaderAttempts>();
  return {
    reasonsAgainst(client, now) {
      if (client.kind === 'ipxe') {
        takenAt.delete(client.mac);
        attempts.delete(client.mac);
      }
      if (client.kind !== 'rom') return [];
      const decision = detectBootLoop(attempts.get(client.mac), takenAt.get(client.mac), now);
      if (decision.attempts !== undefined) remember(attempts, client.mac, decision.attempts);
      return decision.looping ? decision.reasons : [];
    },
    notice(event) {
      const whole = event.kind === 'tftp.done' && event.outcome === 'answered';
      if (whole && event.mac !== undefined) remember(takenAt, event.mac, event.at);
    },
  };
}

function remember<T>(map: Map<Mac, T>, mac: Mac, value: T): void {
  map.delete(mac);
  map.set(mac, value);
  if (map.size <= MAX_MACHINES) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}
