import { Type } from 'typebox';
import { isMap, isScalar, type Pair, type ParsedNode, parseDocument, type YAMLMap } from 'yaml';
import { readDocument } from '../document/read-document.ts';
import { TinderboxError } from '../errors.ts';

/** What edits of the text of machines.yaml by splices share: see docs/adr/0008. */
export type YamlPair = Pair<ParsedNode, ParsedNode | null>;
/** Replaces `text.slice(start, end)`. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export type Plain = { machines?: Record<string, Record<string, unknown> | null> | null };

export function readPlain(text: string): Plain {
  const { value, problems } = readDocument(Type.Unknown(), { file: 'machines.yaml', text });
  const error = problems.find((problem) => problem.severity === 'error');
  if (error !== undefined) throw cannotEdit(`line ${error.line ?? 1}: ${error.message}`);
  return value ?? {};
}

export function readRoot(text: string): YAMLMap.Parsed | null {
  const { contents } = parseDocument(text, {
    stringKeys: true,
    uniqueKeys: false,
    logLevel: 'error',
    schema: 'core',
  });
  if (contents === null || (isScalar(contents) && contents.value === null)) return null;
  if (!isMap(contents)) throw cannotEdit('it does not hold a map');
  return contents;
}

export function findPair(map: YAMLMap, matches: (key: string) => boolean): YamlPair | undefined {
  return (map.items as YamlPair[]).find((pair) => isScalar(pair.key) && matches(pair.key.value as string));
}

/** A block map's range runs on through the line break that ends it. */
export function lastCharacter(text: string, end: number): number {
  let position = end;
  while (position > 0 && /\s/.test(text[position - 1] ?? '')) position -= 1;
  return position;
}

export function columnOf(text: string, position: number): number {
  return position - (text.lastIndexOf('\n', position - 1) + 1);
}

export function applySplices(text: string, splices: readonly Splice[]): string {
  return splices
    .toSorted((a, b) => b.start - a.start)
    .reduce((edited, splice) => edited.slice(0, splice.start) + splice.text + edited.slice(splice.end), text);
}

export function keyText(pair: YamlPair): string {
  return isScalar(pair.key) ? (pair.key.value as string) : 'there';
}

export function cannotEdit(why: string): TinderboxError {
  return new TinderboxError('refused', `machines.yaml cannot be edited by a program: ${why}`, {
    remedy: 'Edit the file by hand.',
  });
}
