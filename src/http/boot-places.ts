import { type BootQueue, createBootQueue, type QueueVerdict } from '../boot/boot-queue.ts';
import { readText } from '../machine/event.ts';
import { formatIpv4, type Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import { stageReached } from '../machine/stage.ts';
import type { Journal, Observation } from '../store/port.ts';
import type { BootPlaces } from './port.ts';

export interface BootPlacesOptions {
  /** So many machines load at once. */
  readonly places: number;
  /** Bytes: what is smaller is sent at once, and waits for nobody. */
  readonly largerThan: number;
  /** Milliseconds that never jump. */
  readonly uptime: () => number;
  /** Called with the ms that a boot waited, when it has its turn; 0: it did not. */
  readonly admitted?: (waited: number) => void;
}

/** As many machines as the journal holds in memory. */
const MOST_WAITING = 20_000;
/** Behind one address is one machine, or a rack behind a router that hides them. */
const MOST_BEHIND_ADDRESS = 256;
/** Files whose size is remembered. */
const MOST_FILES = 4_096;

/** The boot queue of this process, with what it has to know of files and machines. */
export function createBootPlaces(options: BootPlacesOptions): BootPlaces {
  const { places, largerThan, uptime } = options;
  const queue: BootQueue = createBootQueue({
    places,
    waiting: MOST_WAITING,
    waitingPerAddress: MOST_BEHIND_ADDRESS,
  });
  const sizes = new Map<string, number>();

  function learn(path: string, size: number): void {
    if (sizes.size >= MOST_FILES && !sizes.has(path)) sizes.clear();
    sizes.set(path, size);
  }

  function told(verdict: QueueVerdict): QueueVerdict {
    if (verdict.kind === 'go' && verdict.isNew) options.admitted?.(verdict.waited);
    return verdict;
  }

  /** Whose place a download counts for. */
  function ownerOf(remote: Ipv4 | undefined, journal: Pick<Journal, 'macAt'>): { key: string; mac?: Mac } {
    const mac = remote === undefined ? undefined : journal.macAt(remote);
    if (mac !== undefined && queue.hasPlace(mac)) return { key: mac, mac };
    // Several machines may stand behind one address, and it may have changed hands since the script.
    const there = remote === undefined ? undefined : queue.placeAt(remote);
    if (there !== undefined) return { key: there };
    if (mac !== undefined) return { key: mac, mac };
    return { key: remote === undefined ? 'no address' : formatIpv4(remote) };
  }

  return {
    places,
    largerThan,
    learn,
    unknown: (paths) => paths.filter((path) => !sizes.has(path)),
    askForBoot({ mac, address, paths }) {
      if (!paths.some((path) => (sizes.get(path) ?? 0) > largerThan)) {
        queue.leave(mac);
        return undefined;
      }
      const asker = { key: mac, mac, files: paths, ...(address === undefined ? {} : { address }) };
      return told(queue.ask(asker, uptime()));
    },
    askForDownload({ remote, path, bytes, size }, journal) {
      learn(path, size);
      const owner = ownerOf(remote, journal);
      const { key, mac } = owner;
      if (bytes <= largerThan && !queue.hasPlace(key)) {
        return { verdict: undefined, ended: () => undefined };
      }
      const session = mac === undefined ? undefined : journal.sessionOf(mac);
      const underWay =
        session !== undefined && session.end === undefined && stageReached(session.stage, 'script');
      const address = remote === undefined ? {} : { address: remote };
      const verdict = told(queue.ask({ ...owner, ...address, files: [], underWay }, uptime()));
      if (verdict.kind !== 'go') return { verdict, ended: () => undefined };
      queue.begin(key, uptime());
      let hasEnded = false;
      return {
        verdict,
        ended(whole) {
          if (hasEnded) return;
          hasEnded = true;
          queue.end(key, uptime(), { path, whole });
        },
      };
    },
    notice: (observation) => noticeTftp(queue, uptime(), observation),
    leave: (mac) => queue.leave(mac),
    moveUp: (mac) => queue.moveUp(mac),
    positionOf: (mac) => queue.positionOf(mac, uptime()),
    view(most) {
      const now = uptime();
      return {
        counts: queue.counts(now),
        holders: queue.holders(now).slice(0, most),
        waiters: queue.waiters(now, most),
        now,
      };
    },
  };
}

/** What a machine that has a place loads by TFTP, as a GRUB without HTTP does. */
function noticeTftp(queue: BootQueue, now: number, { kind, outcome, mac, asked }: Observation): void {
  if (mac === undefined || !queue.hasPlace(mac)) return;
  if (kind === 'tftp.read' && outcome === 'answered') queue.beginTransfer(mac, now);
  if (kind !== 'tftp.done') return;
  const path = `/${readText(asked).replace(/^RRQ \/*/, '')}`;
  queue.endTransfer(mac, now, { path, whole: outcome === 'answered' });
}
