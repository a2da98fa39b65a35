import type { Ipv4 } from '../machine/ipv4.ts';

/** How long a configuration with secrets may be fetched after it was begun. In ms. */
export const RELEASE_TIME = 10 * 60_000;

/** A configuration with secrets that was begun, and may be resumed. */
export interface HeldRelease {
  readonly sessionId: number;
  readonly address: Ipv4;
  /** Milliseconds since the epoch. */
  readonly until: number;
  readonly contentType: string;
  readonly etag: string;
  /** For people: whose it is. */
  readonly label: string;
  readonly body: Buffer;
  /** Up to where it was sent, or begun to be sent, without a gap. */
  reached: number;
  /** Its last byte was sent. */
  completed: boolean;
}

export interface ReleaseMemory {
  find(sessionId: number): HeldRelease | undefined;
  hold(release: HeldRelease): void;
  drop(sessionId: number): void;
  dropAll(): void;
}

export interface ReleaseMemoryOptions {
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly maxReleases?: number;
  readonly maxBytes?: number;
  /** One had to make room before its time: it can only be made anew. */
  readonly crowdedOut: (release: HeldRelease) => void;
}

/** A rack that boots at once is some dozen kilobytes each. */
const MAX_RELEASES = 1_000;
const MAX_BYTES = 64 * 1024 * 1024;

/** Nothing of it is ever on disk. */
export function createReleaseMemory({
  clock,
  maxReleases = MAX_RELEASES,
  maxBytes = MAX_BYTES,
  crowdedOut,
}: ReleaseMemoryOptions): ReleaseMemory {
  const held = new Map<number, { readonly release: HeldRelease; readonly timer: NodeJS.Timeout }>();
  let bytes = 0;

  function drop(sessionId: number): void {
    const entry = held.get(sessionId);
    if (entry === undefined) return;
    held.delete(sessionId);
    bytes -= entry.release.body.length;
    clearTimeout(entry.timer);
  }

  return {
    find(sessionId) {
      const entry = held.get(sessionId);
      if (entry === undefined || clock() < entry.release.until) return entry?.release;
      drop(sessionId);
      return undefined;
    },
    hold(release) {
      drop(release.sessionId);
      const wait = Math.max(0, Math.min(release.until - clock(), RELEASE_TIME));
      const timer = setTimeout(() => drop(release.sessionId), wait).unref();
      held.set(release.sessionId, { release, timer });
      bytes += release.body.length;
      for (const [id, entry] of held) {
        if (held.size <= maxReleases && bytes <= maxBytes) return;
        // That it was sent may not be on disk yet.
        if (id === release.sessionId || entry.release.completed) continue;
        drop(id);
        crowdedOut(entry.release);
      }
    },
    drop,
    dropAll() {
      for (const id of held.keys()) drop(id);
    },
  };
}
