import { stepTimes } from '../../boot/compare-sessions.ts';
import type { BootSession } from '../../machine/session.ts';
import { STAGES, type Stage } from '../../machine/stage.ts';
import type { Tone } from './fleet-row.ts';

/** One stage of a boot, as a bar on the way from its beginning to its end. */
export interface StageRow {
  readonly stage: Stage;
  readonly meaning: string;
  readonly reached: boolean;
  /** Since the opening, and since the stage before. In ms. */
  readonly offset: number | undefined;
  readonly took: number | undefined;
  /** Of the whole: 0 to 100. */
  readonly x: number;
  readonly width: number;
  readonly tone: Tone;
}

type StagedSession = Pick<
  BootSession,
  'openedAt' | 'updatedAt' | 'stage' | 'stageTimes' | 'end' | 'endedAt' | 'lastStage' | 'stalled' | 'failedAt'
>;

const MEANINGS: Readonly<Record<Stage, string>> = {
  discovered: 'it was heard',
  offered: 'it was offered a loader',
  firmware: 'its firmware got the loader',
  script: 'iPXE got its script',
  kernel: 'it got the kernel',
  initrd: 'it got the initrd',
  config: 'it got its configuration',
  booted: 'its system said that it is up',
  ready: 'its Node is Ready',
};

/** The least that can be seen of a step, in percent. */
const LEAST_WIDTH = 0.6;

/** All stages that this boot has, or has before it. `now`: until when a boot under way has come. */
export function stageRows(session: StagedSession, now: number): readonly StageRow[] {
  const steps = stepTimes(session);
  const isOver = session.end !== undefined;
  const until = session.endedAt ?? (isOver ? session.updatedAt : now);
  const whole = Math.max(
    1,
    until - session.openedAt,
    ...Object.values(session.stageTimes).map((at) => at - session.openedAt),
  );
  const wanted = session.end === 'handed-over' ? 'script' : (session.lastStage ?? 'ready');
  const rows: StageRow[] = [];
  for (const stage of STAGES) {
    const at = session.stageTimes[stage];
    const took = steps.get(stage);
    const isAhead = STAGES.indexOf(stage) > STAGES.indexOf(session.stage);
    if (at === undefined || took === undefined) {
      // One that was left out (a ROM that is iPXE fetches no loader) is shown for what it is only while it may come.
      const mayCome =
        isAhead && STAGES.indexOf(stage) <= STAGES.indexOf(wanted) && session.end !== 'superseded';
      if (mayCome)
        rows.push({
          ...textOf(stage),
          reached: false,
          offset: undefined,
          took: undefined,
          x: 100,
          width: 0,
          tone: 'idle',
        });
      continue;
    }
    const offset = Math.max(0, at - session.openedAt);
    const width = Math.max(LEAST_WIDTH, (took / whole) * 100);
    const x = Math.min(100 - width, ((offset - took) / whole) * 100);
    rows.push({
      ...textOf(stage),
      reached: true,
      offset,
      took,
      x: round(Math.max(0, x)),
      width: round(width),
      tone: stage === 'ready' || stage === wanted ? 'good' : 'busy',
    });
  }
  return rows;
}

const textOf = (stage: Stage) => ({ stage, meaning: MEANINGS[stage] });
const round = (value: number): number => Math.round(value * 100) / 100;
