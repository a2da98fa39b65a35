import { detectBootLoop, type LoaderAttempts, type LoopDecision } from '../boot/detect-boot-loop.ts';
import { isLoaderName } from '../boot/generated-files.ts';
import type { NetworkClient } from '../boot/identify-client.ts';
import { readText } from '../machine/event.ts';
import type { Mac } from '../machine/mac.ts';
import type { Observation } from '../store/port.ts';

/** A flood of forged addresses must not grow these maps; the oldest entry goes first. */
const MAX_MACHINES = 10_000;

const NO_LOOP = { looping: false, reasons: [] } as const;

export interface BootLoopWatch {
  /** Called for each packet of a network boot. An iPXE clears its machine's count, as a question for a script does. */
  look(client: NetworkClient, now: number): Pick<LoopDecision, 'looping' | 'reasons'>;
  /** What `look` would say now; nothing is counted. */
  peek(client: NetworkClient, now: number): Pick<LoopDecision, 'looping' | 'reasons'>;
  /**
   * To be called with each observation: whole downloads of a loader are what is counted. Not with recorded events:
   * those of a machine that never gets beyond its loader soon are at their bound.
   */
  notice(observation: Observation): void;
}

/** Remembers which machines took their loader, over all interfaces. */
export function watchBootLoops(): BootLoopWatch {
  const takenAt = new Map<Mac, number>();
  const attempts = new Map<Mac, LoaderAttempts>();
  const decide = ({ mac }: NetworkClient, now: number): LoopDecision =>
    detectBootLoop(attempts.get(mac), takenAt.get(mac), now);
  return {
    look(client, now) {
      if (client.kind === 'ipxe') {
        takenAt.delete(client.mac);
        attempts.delete(client.mac);
      }
      if (client.kind !== 'rom') return NO_LOOP;
      const decision = decide(client, now);
      if (decision.attempts !== undefined) remember(attempts, client.mac, decision.attempts);
      return decision;
    },
    peek: (client, now) => (client.kind === 'rom' ? decide(client, now) : NO_LOOP),
    notice(observation) {
      const { mac, at, kind } = observation;
      if (mac === undefined) return;
      // A GRUB has no DHCP of its own by which its start would show.
      if (kind === 'http.script') {
        takenAt.delete(mac);
        attempts.delete(mac);
      } else if (isWholeLoader(observation)) remember(takenAt, mac, at);
    },
  };
}

/** By TFTP, or by HTTP where the firmware boots that way. */
function isWholeLoader(observation: Observation): boolean {
  const { kind, outcome } = observation;
  if (outcome !== 'answered') return false;
  // Only then: of DHCP packets it is worked out when it is read.
  if (kind === 'tftp.done') return isLoaderName(readText(observation.asked).replace(/^RRQ /, ''));
  if (kind !== 'http.asset') return false;
  const name = /^GET \/assets\/ipxe\/+(.*)$/.exec(readText(observation.asked))?.[1];
  return name !== undefined && isLoaderName(name);
}

function remember<T>(map: Map<Mac, T>, mac: Mac, value: T): void {
  map.delete(mac);
  map.set(mac, value);
  if (map.size <= MAX_MACHINES) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}
