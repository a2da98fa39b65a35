import { isMap, LineCounter, type Node, parseDocument, type Scalar, visit } from 'yaml';
import type { Problem } from '../errors.ts';

/** A place in a document: keys of maps and indices of lists. */
export type DocumentPath = readonly (string | number)[];

export interface RenderedYaml {
  /** Undefined where there are problems. */
  readonly value: unknown;
  readonly isMap: boolean;
  readonly problems: readonly Problem[];
  /** A problem of what stands at a path, or at the nearest thing around it that is there. */
  readonly problemAt: (path: DocumentPath, message: string) => Problem;
}

export interface YamlReading {
  /** Whether the reader resolves `*name`. */
  readonly aliases: boolean;
  /** Lines above the text in what is served. */
  readonly linesBefore?: number;
}

/**
 * A rendered text as YAML 1.1, which is what machines read: there `yes` and `0644` are no text, and must be quoted where
 * text is wanted. Lines are those of the rendered text, `file` names its template.
 */
export function readRenderedYaml(
  body: string,
  file: string,
  { aliases, linesBefore = 0 }: YamlReading,
): RenderedYaml {
  const lineCounter = new LineCounter();
  const document = parseDocument(body, {
    version: '1.1',
    lineCounter,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const problem = (offset: number, message: string): Problem => {
    const { line, col } = lineCounter.linePos(offset);
    return { severity: 'error', file: `${file} (rendered)`, line: line + linesBefore, column: col, message };
  };
  const problems = [...document.errors, ...document.warnings].map(({ message, pos }) =>
    problem(pos[0], `not YAML: ${message}`),
  );
  if (problems.length === 0) {
    visit(document, {
      Alias(_key, alias) {
        if (aliases && alias.resolve(document) !== undefined) return;
        const message = 'an alias (`*name`) is not resolved: text that begins with `*` must be in quotes';
        problems.push(problem(alias.range?.[0] ?? 0, message));
      },
    });
  }
  let value: unknown;
  if (problems.length === 0) {
    try {
      value = document.toJS({ maxAliasCount: aliases ? 100 : 0 });
    } catch {
      problems.push(problem(0, 'its aliases (`*name`) make too much of it'));
    }
  }
  return {
    value,
    isMap: isMap(document.contents),
    problems,
    problemAt: (path, message) => problem(offsetOf(document.contents, path), message),
  };
}

/** Where the key of a path begins, or the nearest thing around it that is there. */
function offsetOf(root: unknown, path: DocumentPath): number {
  let node = root as Node | null;
  let offset = node?.range?.[0] ?? 0;
  for (const part of path) {
    const pair = isMap(node) ? node.items.find(({ key }) => (key as Scalar).value === part) : undefined;
    const next = isMap(node)
      ? pair?.value
      : (node as { readonly items?: readonly unknown[] } | null)?.items?.[Number(part)];
    const start = (pair?.key ?? next) as Node | undefined;
    if (start?.range === undefined || start.range === null) return offset;
    offset = start.range[0];
    node = next as Node;
    if (node === null || node === undefined) return offset;
  }
  return offset;
}
