import { Counter, Histogram, type Registry } from 'prom-client';
import type { BootSession } from '../../machine/session.ts';
import { STAGES } from '../../machine/stage.ts';

/** From a virtual machine's stage to a rack that takes its time over one cable. In seconds. */
const BUCKETS = [1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600, 900, 1800];
/** Of a machine that never got as far as its script, no role is known. */
const NO_ROLE = 'none';

export interface SessionChange {
  readonly before?: BootSession;
  readonly session?: BootSession;
  /** The session that ended. */
  readonly ended?: BootSession;
  readonly opened: boolean;
}

/** How long boots take, told when they are over: only then is it known of which role they were. */
export function createBootMetrics(
  registry: Registry,
  roleLabel: (role: string) => string,
): (change: SessionChange) => void {
  const registers = [registry];
  const opened = new Counter({
    name: 'tinderbox_boots_started_total',
    help: 'Boot sessions that opened.',
    registers,
  });
  const ended = new Counter({
    name: 'tinderbox_boots_ended_total',
    help: 'Boot sessions that ended, by end (superseded: the machine booted anew before it was there) and role.',
    labelNames: ['end', 'role'],
    registers,
  });
  const whole = new Histogram({
    name: 'tinderbox_boot_duration_seconds',
    help: 'From the first packet of a boot to its end, superseded ones left out, by role.',
    labelNames: ['role'],
    buckets: BUCKETS,
    registers,
  });
  const stages = new Histogram({
    name: 'tinderbox_boot_stage_duration_seconds',
    help: 'How long a boot stood in a stage before it reached the next one, by that stage and role.',
    labelNames: ['stage', 'role'],
    buckets: BUCKETS,
    registers,
  });

  return ({ before, session: newest, ended: session, opened: isNew }) => {
    if (isNew && newest?.signingUntil === undefined) opened.inc();
    if (session?.end === undefined || session.signingUntil !== undefined) return;
    // Its Node was ready before, went away and came back: that is no boot.
    if (before?.id === session.id && before.bootId !== undefined) return;
    const role = session.role === undefined ? NO_ROLE : roleLabel(session.role);
    ended.inc({ end: session.end, role });
    const { openedAt, endedAt = session.updatedAt } = session;
    if (session.end !== 'superseded') whole.observe({ role }, secondsBetween(openedAt, endedAt));
    const reached = STAGES.flatMap((stage) => {
      const at = session.stageTimes[stage];
      return at === undefined ? [] : [{ stage, at }];
    });
    for (const [index, { stage, at }] of reached.entries()) {
      const next = reached[index + 1];
      if (next !== undefined) stages.observe({ stage, role }, secondsBetween(at, next.at));
    }
  };
}

function secondsBetween(from: number, to: number): number {
  return Math.max(0, to - from) / 1000;
}
