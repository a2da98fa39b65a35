const FINDING_STATES = ['ok', 'warning', 'problem', 'skipped'] as const;
/** `skipped`: it could not be looked at, and the text says why. */
export type FindingState = (typeof FINDING_STATES)[number];

/** One thing that `doctor` looked at. */
export interface Finding {
  readonly state: FindingState;
  readonly text: string;
  /** What the operator can do, as an imperative sentence. */
  readonly remedy?: string;
}

export const ok = (text: string): Finding => ({ state: 'ok', text });
export const skipped = (text: string, remedy?: string): Finding => finding('skipped', text, remedy);
export const warning = (text: string, remedy?: string): Finding => finding('warning', text, remedy);
export const problem = (text: string, remedy?: string): Finding => finding('problem', text, remedy);

function finding(state: FindingState, text: string, remedy: string | undefined): Finding {
  return { state, text, ...(remedy === undefined ? {} : { remedy }) };
}
