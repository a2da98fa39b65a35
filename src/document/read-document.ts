import type { Static, TSchema } from 'typebox';
import type { Problem } from '../errors.ts';
import { checkSchema, type MovedKeys, type QuotesValues } from './check-schema.ts';
import { decodeText, MAX_DOCUMENT_BYTES, tooLarge } from './decode-text.ts';
import type { SchemaNode } from './describe-schema.ts';
import { type DocumentPath, type Located, locatePath, type Place } from './located.ts';
import { parseYaml } from './parse-yaml.ts';

export interface DocumentReading<T> {
  /** Absent if any problem is an error. */
  readonly value?: T;
  readonly problems: readonly Problem[];
  /** Where the value at `path` stands, or the deepest thing on the way to it. */
  locate(path: DocumentPath): Place;
  /** Where the key that leads to it stands. */
  locateKey(path: DocumentPath): Place;
  /** Line of the first line of a text: for a block (`|`), the line after the indicator. */
  locateText(path: DocumentPath): number;
  /** Whether the file says anything at `path`. */
  has(path: DocumentPath): boolean;
}

export type DocumentSource = { readonly file: string } & (
  | { readonly text: string }
  | { readonly bytes: Uint8Array }
);

/**
 * YAML text to a value of the schema's type, or everything that is wrong with it. Pure and total: whatever the bytes,
 * it returns. Schemas use the subset of JSON Schema in describe-schema.ts.
 */
export function readDocument<S extends TSchema>(
  schema: S,
  source: DocumentSource,
  options: { readonly moved?: MovedKeys; readonly quotesValues?: QuotesValues } = {},
): DocumentReading<Static<S>> {
  const { file } = source;
  const decoded = 'bytes' in source ? decodeText(source.bytes, file) : { text: source.text };
  if ('problem' in decoded) return reading([decoded.problem]);
  const text = decoded.text.startsWith('\uFEFF') ? decoded.text.slice(1) : decoded.text;
  if (text.length > MAX_DOCUMENT_BYTES) return reading([tooLarge(file, text.length)]);

  const { root, problems, size } = parseYaml(file, text);
  if (root === undefined) return reading(problems);
  const node = schema as SchemaNode;
  const empty = root.kind === 'scalar' && root.value === null && node.type === 'object';
  if (empty && (node.required ?? []).length > 0) {
    const message = `the file is empty; it needs: ${(node.required ?? []).join(', ')}`;
    return reading([{ severity: 'error', message, file, line: 1, column: 1 }]);
  }
  const map: Located = empty ? { kind: 'map', place: root.place, entries: new Map() } : root;
  const checked = checkSchema(node, map, { file, size, ...options });
  if (checked.problems.some((problem) => problem.severity === 'error')) return reading(checked.problems, map);
  return { ...reading<Static<S>>(checked.problems, map), value: checked.value as Static<S> };
}

function reading<T>(problems: readonly Problem[], root?: Located): DocumentReading<T> {
  const found = (path: DocumentPath) => (root === undefined ? undefined : locatePath(root, path));
  return {
    problems,
    locate: (path) => found(path)?.found.place ?? { line: 1, column: 1 },
    locateKey: (path) => found(path)?.key ?? { line: 1, column: 1 },
    locateText: (path) => {
      const node = found(path)?.found;
      if (node === undefined) return 1;
      return node.kind === 'scalar' ? node.textLine : node.place.line;
    },
    has: (path) => found(path)?.whole ?? false,
  };
}
