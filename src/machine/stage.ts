/** Those that a session can stand still at: `ready` is the end of every one. */
export const WAITING_STAGES = [
  'discovered',
  'offered',
  'firmware',
  'script',
  'kernel',
  'initrd',
  'config',
  'booted',
] as const;
export type WaitingStage = (typeof WAITING_STAGES)[number];

/** Where a boot session stands, in the order in which a machine goes through them. */
export const STAGES = [...WAITING_STAGES, 'ready'] as const;
export type Stage = (typeof STAGES)[number];

/** How long a session may stand at a stage before it counts as stalled. Seconds; `off`: as long as it likes. */
export type StageTimes = Readonly<Partial<Record<WaitingStage, number | 'off'>>>;

/** The later of the two: a session never goes back, since packets arrive late and twice. */
export function laterStage(a: Stage, b: Stage): Stage {
  return STAGES.indexOf(a) >= STAGES.indexOf(b) ? a : b;
}

export function stageReached(current: Stage, wanted: Stage): boolean {
  return STAGES.indexOf(current) >= STAGES.indexOf(wanted);
}
