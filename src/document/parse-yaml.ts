import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  parseDocument,
  Scalar,
  type YAMLError,
} from 'yaml';
import type { Problem } from '../errors.ts';
import { type Located, type LocatedEntry, type Place, quoteText } from './located.ts';
import { printable } from './printable.ts';

/** Deeper nesting is refused: no file of ours needs a tenth of it. */
const MAX_DEPTH = 64;
const MAX_PROBLEMS = 20;

export interface ParsedYaml {
  /** Absent if the text is broken; a null scalar for an empty file. */
  readonly root?: Located;
  readonly problems: readonly Problem[];
  /** Values in the text, each alias counted once. */
  readonly size: number;
}

/**
 * YAML 1.2, core schema, one document, keys always text (`525400123456:` is no number), no merge keys, no tags of
 * one's own. Never throws.
 */
export function parseYaml(file: string, text: string): ParsedYaml {
  const lines = new LineCounter();
  // The parser's own search for equal keys is quadratic and does not say where the first one stands.
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    stringKeys: true,
    resolveKnownTags: false,
    schema: 'core',
    logLevel: 'error',
  });
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const problemAt = (place: Place, message: string, remedy?: string): Problem => ({
    severity: 'error',
    message,
    file,
    ...place,
    ...(remedy === undefined ? {} : { remedy }),
  });

  const problems: Problem[] = [];
  if (document.directives?.yaml.explicit === true && document.directives.yaml.version !== '1.2') {
    problems.push(
      problemAt({ line: 1, column: 1 }, `YAML ${document.directives.yaml.version}: only YAML 1.2 is read`),
    );
  }
  const textLines = document.errors.length === 0 ? [] : text.split('\n');
  for (const error of [...document.errors, ...document.warnings].toSorted((a, b) => a.pos[0] - b.pos[0])) {
    const place = placeAt(error.pos[0]);
    // The parser stumbles over one fault several times on the same line.
    if (problems.some((problem) => problem.line === place.line)) continue;
    const braces = (textLines[place.line - 1] ?? '').includes('{{');
    problems.push(
      problemAt(
        place,
        describeYamlError(error),
        braces ? 'Put text that contains {{ }} in quotes.' : undefined,
      ),
    );
    if (problems.length === MAX_PROBLEMS) break;
  }
  if (problems.length > 0) return { problems, size: 0 };

  const anchors = new Map<string, Located | 'open'>();
  let size = 0;
  const visit = (node: ParsedNode, depth: number): Located => {
    size += 1;
    const place = placeAt(node.range[0]);
    if (isAlias(node)) {
      const target = anchors.get(node.source);
      if (target !== undefined && target !== 'open') return target;
      const why = target === 'open' ? 'refers to itself' : 'has no anchor before it';
      problems.push(problemAt(place, `the alias *${node.source} ${why}`));
      return emptyAt(place);
    }
    if (depth > MAX_DEPTH) {
      problems.push(problemAt(place, `nested more than ${MAX_DEPTH} levels deep`));
      return emptyAt(place);
    }
    if (node.anchor !== undefined) anchors.set(node.anchor, 'open');
    const located = locate(node, place, depth);
    if (node.anchor !== undefined) anchors.set(node.anchor, located);
    return located;
  };
  const locate = (node: ParsedNode, place: Place, depth: number): Located => {
    if (isMap(node)) {
      const entries = new Map<string, LocatedEntry>();
      for (const pair of node.items) {
        const keyNode = pair.key;
        const keyPlace = placeAt(keyNode.range[0]);
        const key = isScalar(keyNode) && typeof keyNode.value === 'string' ? keyNode.value : '';
        const earlier = entries.get(key);
        if (earlier !== undefined) {
          const message = `the key ${quoteText(key)} is there twice; first on line ${earlier.keyPlace.line}`;
          problems.push(problemAt(keyPlace, message));
          continue;
        }
        if (key === '__proto__') {
          problems.push(problemAt(keyPlace, 'the key "__proto__" is not allowed'));
          continue;
        }
        const { value } = pair;
        entries.set(key, { keyPlace, value: value === null ? emptyAt(keyPlace) : visit(value, depth + 1) });
      }
      return { kind: 'map', place, entries };
    }
    if (isSeq(node)) {
      return { kind: 'list', place, items: node.items.map((item) => visit(item, depth + 1)) };
    }
    if (!isScalar(node)) return emptyAt(place);
    const block = node.type === Scalar.BLOCK_LITERAL || node.type === Scalar.BLOCK_FOLDED;
    const value = node.value as string | number | boolean | null;
    return {
      kind: 'scalar',
      place,
      value,
      source: typeof value === 'number' ? (node.source ?? String(value)) : '',
      textLine: place.line + (block ? 1 : 0),
    };
  };
  const root = document.contents === null ? emptyAt({ line: 1, column: 1 }) : visit(document.contents, 0);
  if (problems.length > 0) return { problems: problems.slice(0, MAX_PROBLEMS), size };
  return { root, problems, size };
}

function emptyAt(place: Place): Located {
  return { kind: 'scalar', place, value: null, source: '', textLine: place.line };
}

function describeYamlError(error: YAMLError): string {
  switch (error.code) {
    case 'TAB_AS_INDENT':
      return 'a tab at the start of a line: YAML is indented with spaces';
    case 'RESOURCE_EXHAUSTION':
      return `nested more than ${MAX_DEPTH} levels deep`;
    case 'MULTIPLE_DOCS':
      return 'a second document (---): one file holds one document';
    case 'NON_STRING_KEY':
      return 'a key must be plain text';
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'not YAML: a second "key:" on the same line, or a line indented deeper than the one before';
    case 'MULTILINE_IMPLICIT_KEY':
      return 'not YAML: a key without ": " after it, or without a value';
    case 'TAG_RESOLVE_FAILED':
      return `tags are not read: ${cut(error.message)}`;
    default:
      return `not YAML: ${cut(error.message)}`;
  }
}

/** The parser quotes what it stopped at, however long that is. */
const cut = (message: string): string => printable(message, 300);
