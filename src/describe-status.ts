import type { BootSession } from './machine/session.ts';

export interface StatusFacts {
  readonly mode: 'proxy' | 'server' | 'off';
  readonly interfaces: readonly string[];
  /** Those of them that are missing or have no address: nobody is served there. */
  readonly missing: readonly string[];
  /** The newest session of each machine. */
  readonly sessions: Iterable<
    Pick<BootSession, 'end' | 'failedAt' | 'stalled' | 'waitingSince' | 'updatedAt'>
  >;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A machine that was silent for longer does not boot any more, whatever its session says. In ms. */
const SILENT = 30 * 60_000;

/** `proxy on enp0s8: 3 machines booting, 1 waits for approval, 12 ready`: the line that `systemctl status` shows. */
export function describeStatus({ mode, interfaces, missing, sessions, now }: StatusFacts): string {
  const counts = { booting: 0, waiting: 0, failed: 0, stalled: 0, ready: 0, booted: 0 };
  for (const { end, failedAt, stalled, waitingSince, updatedAt } of sessions) {
    if (end === 'ready' || end === 'booted') counts[end]++;
    else if (end !== undefined || now - updatedAt > SILENT) continue;
    else if (waitingSince !== undefined) counts.waiting++;
    else if (failedAt !== undefined) counts.failed++;
    else if (stalled !== undefined) counts.stalled++;
    else counts.booting++;
  }
  const parts = [
    `${counts.booting} ${counts.booting === 1 ? 'machine' : 'machines'} booting`,
    ...(counts.waiting === 0 ? [] : [`${counts.waiting} waiting for approval`]),
    ...(counts.stalled === 0 ? [] : [`${counts.stalled} stalled`]),
    ...(counts.failed === 0 ? [] : [`${counts.failed} failed`]),
    ...(counts.booted === 0 ? [] : [`${counts.booted} booted`]),
    `${counts.ready} ready`,
  ];
  const what = mode === 'off' ? 'without DHCP' : mode;
  const where = interfaces.map((name) =>
    missing.includes(name) ? `${name} (missing, or without an address)` : name,
  );
  return `${what} on ${where.join(', ')}: ${parts.join(', ')}`;
}
