import type { BootEvent } from '../machine/event.ts';
import type { BootSession } from '../machine/session.ts';
import { type Stage, stageReached } from '../machine/stage.ts';

export type RehearsalVerdict =
  | { readonly kind: 'going' }
  /** It came as far as it can where there is no cluster, or as far as was asked. */
  | { readonly kind: 'reached'; readonly reason: string }
  /** It will get no further, and waiting does not help. */
  | { readonly kind: 'stopped'; readonly reason: string; readonly remedy: string };

export interface RehearsalFacts {
  readonly session:
    | Pick<BootSession, 'stage' | 'end' | 'failedAt' | 'waitingSince' | 'lastStage'>
    | undefined;
  /** What was just recorded of the machine. */
  readonly event: Pick<BootEvent, 'kind' | 'outcome' | 'asked' | 'answered' | 'reasons'>;
  /** Absent: as far as it can. */
  readonly until: Stage | undefined;
}

const GOING: RehearsalVerdict = { kind: 'going' };

/** Whether a rehearsal is over, after each event of its machine. */
export function judgeRehearsal({ session, event, until }: RehearsalFacts): RehearsalVerdict {
  const fault = faultOf(event, session?.stage ?? 'discovered');
  if (fault !== undefined) return fault;
  if (session === undefined) return GOING;
  const { stage, end, failedAt, waitingSince, lastStage } = session;
  if (end === 'handed-over') return reached('the machine was handed over, as its role says');
  if (stageReached(stage, until ?? 'booted')) return reached(`it came to ${stage}`);
  if (end !== undefined && end !== 'superseded') return reached(`it came to ${end}`);
  if (waitingSince !== undefined) {
    return {
      kind: 'stopped',
      reason: 'it waits on its screen: for approval, or since its role says so',
      remedy: 'Approve it first, or rehearse what it would be: --role ROLE.',
    };
  }
  if (failedAt === undefined) return GOING;
  // What a member of a cluster lacks here is just the cluster: that it has its configuration and says so is all there is.
  if (lastStage === 'ready' && until === undefined && stageReached(stage, 'config'))
    return reached('it has its configuration, and reported that it failed: here is no cluster');
  return {
    kind: 'stopped',
    reason: 'the machine reported that it failed',
    remedy: 'Its report is in the timeline; see its console with --screen.',
  };
}

/** A no that a machine which asks again gets again. */
function faultOf(event: RehearsalFacts['event'], stage: Stage): RehearsalVerdict | undefined {
  const { kind, outcome, asked, answered, reasons } = event;
  if (outcome !== 'refused' && outcome !== 'failed') return undefined;
  const isFinal =
    kind === 'http.script' ||
    kind === 'http.boot-script' ||
    ((kind === 'http.config' || kind === 'http.config-file') && outcome === 'failed') ||
    // Later on machines also ask for files that need not be there, such as checksums.
    (kind === 'http.asset' && !stageReached(stage, 'config'));
  if (!isFinal) return undefined;
  return {
    kind: 'stopped',
    reason: `${asked}: ${answered}`,
    remedy: reasons.join('; '),
  };
}

function reached(reason: string): RehearsalVerdict {
  return { kind: 'reached', reason };
}
