/** Where a boot session stands, in the order in which a machine goes through them. */
export const STAGES = [
  'discovered',
  'offered',
  'firmware',
  'script',
  'kernel',
  'initrd',
  'config',
  'booted',
  'ready',
] as const;
export type Stage = (typeof STAGES)[number];

/** The later of the two: a session never goes back, since packets arrive late and twice. */
export function laterStage(a: Stage, b: Stage): Stage {
  return STAGES.indexOf(a) >= STAGES.indexOf(b) ? a : b;
}

export function stageReached(current: Stage, wanted: Stage): boolean {
  return STAGES.indexOf(current) >= STAGES.indexOf(wanted);
}
