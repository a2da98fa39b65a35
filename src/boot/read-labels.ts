import type { Labels } from '../machine/facts.ts';

/** So many labels, and characters in all: 20,000 machines are kept in memory. */
const MAX_LABELS = 16;
const MAX_CHARACTERS = 1_024;
const MAX_VALUE = 64;

export const LABEL_NAME = /^[A-Za-z][A-Za-z0-9._-]{0,62}$/;

/**
 * Whoever asks in a machine's name says its labels, and templates put them into shell, YAML, JSON and kernel arguments:
 * nothing that means something there, no blank, and no sign that an option or a home folder begins with.
 */
const LABEL_VALUE = /^[\p{L}\p{N}_/][\p{L}\p{N}._:@/+=~,-]*(?<!:)$/u;

export interface LabelReading {
  /** Absent: it told none. */
  readonly labels?: Labels;
  /** What was left out, and why. */
  readonly notes: readonly string[];
}

/**
 * What a query says beside the names that mean something of their own (`known`), as matchbox has it:
 * `region=west&rack=r7`. Whoever asks may say anything: what is too much is left out and noted, and stops no boot.
 * `show` makes text from outside fit to be shown.
 */
export function readLabels(
  query: Readonly<Record<string, unknown>>,
  known: ReadonlySet<string>,
  show: (text: string, limit: number) => string,
): LabelReading {
  const notes: string[] = [];
  const kept: [string, string][] = [];
  let characters = 0;
  let crowded = 0;
  for (const [name, value] of Object.entries(query)) {
    // iPXE sends settings that it does not have as nothing.
    if (known.has(name) || value === '') continue;
    if (!LABEL_NAME.test(name)) {
      if (notes.length < 3) notes.push(`"${show(name, 40)}" is no name of a label`);
      continue;
    }
    if (typeof value !== 'string' || !isLabelValue(value)) {
      if (notes.length < 3) {
        notes.push(
          `its label ${name} is left out: more than ${MAX_VALUE} characters, or others than letters, digits and ._:@/+=~,-`,
        );
      }
      continue;
    }
    characters += name.length + value.length;
    if (kept.length >= MAX_LABELS || characters > MAX_CHARACTERS) crowded += 1;
    else kept.push([name, value]);
  }
  if (crowded > 0) {
    notes.push(
      `${crowded} labels are left out: ${MAX_LABELS} count, of ${MAX_CHARACTERS} characters together`,
    );
  }
  kept.sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...(kept.length === 0 ? {} : { labels: Object.fromEntries(kept) }), notes };
}

export function isLabelValue(value: string): boolean {
  return value.length <= MAX_VALUE && LABEL_VALUE.test(value);
}

/** `region=west rack=r7`, for people. */
export function formatLabels(labels: Labels | undefined): string {
  return Object.entries(labels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}
