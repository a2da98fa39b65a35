/** A place in a file; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export type DocumentPath = readonly (string | number)[];

export interface LocatedEntry {
  readonly keyPlace: Place;
  readonly value: Located;
}

/**
 * What YAML says, with where it says it. An alias is the very object of its anchor, so a file that multiplies itself
 * by aliases stays small here; whoever walks the tree counts its steps.
 */
export type Located =
  | { readonly kind: 'map'; readonly place: Place; readonly entries: ReadonlyMap<string, LocatedEntry> }
  | { readonly kind: 'list'; readonly place: Place; readonly items: readonly Located[] }
  | {
      readonly kind: 'scalar';
      readonly place: Place;
      readonly value: string | number | boolean | null;
      /** As written, where that matters: numbers. */
      readonly source: string;
      /** Line of the text's own first line: after the `|` or `>` of a block. */
      readonly textLine: number;
    };

/** What stands at `path`, or the deepest thing on the way to it. */
export function locatePath(
  root: Located,
  path: DocumentPath,
): { readonly found: Located; readonly key: Place; readonly whole: boolean } {
  let found = root;
  let key = root.place;
  for (const step of path) {
    if (found.kind === 'map') {
      const entry = found.entries.get(String(step));
      if (entry === undefined) return { found, key, whole: false };
      found = entry.value;
      key = entry.keyPlace;
    } else if (found.kind === 'list') {
      const item = found.items[Number(step)];
      if (item === undefined) return { found, key, whole: false };
      found = item;
      key = item.place;
    } else return { found, key, whole: false };
  }
  return { found, key, whole: true };
}

/** `dhcp.subnets[0].router`; keys that are no plain words stand in brackets and quotes. */
export function formatPath(path: DocumentPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[\w-]+$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${quoteText(step)}]`;
  }
  return text;
}

/** In quotes, shortened, nothing that a terminal would obey. */
export function quoteText(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}
