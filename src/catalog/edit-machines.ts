import { isDeepStrictEqual } from 'node:util';
import { isMap, isScalar, type ParsedNode, Scalar, stringify, type YAMLMap } from 'yaml';
import { type Mac, parseMac } from '../machine/mac.ts';
import {
  applySplices,
  cannotEdit,
  columnOf,
  findPair,
  keyText,
  lastCharacter,
  type Plain,
  readPlain,
  readRoot,
  type Splice,
  type YamlPair,
} from './machines-text.ts';
import { cutPair } from './remove-machine.ts';

/** What `assign` may change of an entry; what is absent stays as it is. */
export interface MachineChange {
  readonly role?: string;
  /** null: none any more. */
  readonly once?: string | null;
  readonly hostname?: string;
  /** Dotted quad. */
  readonly address?: string;
}

export interface EditedMachines {
  readonly text: string;
  readonly changed: boolean;
  /** The role that the entry had. */
  readonly before?: string;
}

const FIELDS = ['role', 'once', 'hostname', 'address'] as const;
type Field = (typeof FIELDS)[number];
/**
 * Sets fields of one machine in the text of machines.yaml, or adds the machine. Only the characters concerned change:
 * printing the parsed document again would move comments, quotes and blank lines about. The MAC keeps the spelling of
 * the key. Throws TinderboxError `refused` for what it cannot edit so (broken YAML, an entry that is an alias or is
 * shared by an anchor).
 */
export function assignRole(text: string, mac: Mac, change: MachineChange): EditedMachines {
  const wanted = FIELDS.flatMap((field): [Field, string][] => {
    const value = change[field];
    return value === undefined || value === null ? [] : [[field, value]];
  });
  const old = readPlain(text);
  const root = readRoot(text);
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  const machines = root === null ? undefined : findPair(root, (key) => key === 'machines');
  const entry = isMap(machines?.value) ? findPair(machines.value, (key) => parseMac(key) === mac) : undefined;
  const before = roleOf(entry);
  const withBefore = before === undefined ? {} : { before };
  const splices =
    entry === undefined
      ? [insertEntry(text, root, machines, `${mac}: ${flowMap(wanted)}`, newline)]
      : [
          ...changeEntry(text, entry, wanted, newline),
          ...(change.once === null ? removeField(text, entry, 'once') : []),
        ];
  if (splices.length === 0) return { text, changed: false, ...withBefore };
  const edited = applySplices(text, splices);
  verify(old, edited, mac, wanted, change.once === null ? 'once' : undefined);
  return { text: edited, changed: true, ...withBefore };
}

function roleOf(entry: YamlPair | undefined): string | undefined {
  if (!isMap(entry?.value)) return undefined;
  const role = entry.value.get('role');
  return typeof role === 'string' ? role : undefined;
}

/** Nothing if the fields have their values already. */
function changeEntry(
  text: string,
  entry: YamlPair,
  wanted: readonly [Field, string][],
  newline: string,
): Splice[] {
  const { value } = entry;
  if (wanted.length === 0) return [];
  if (value === null || (isScalar(value) && value.value === null))
    return [fillEmpty(text, entry, ` ${flowMap(wanted)}`)];
  if (!isMap(value)) throw cannotEdit(`the entry ${keyText(entry)} is not a map of its own`);
  if (value.anchor !== undefined) {
    throw cannotEdit(`the entry ${keyText(entry)} is shared by the anchor &${value.anchor}`);
  }
  if (value.items.length === 0)
    return [{ start: value.range[0], end: value.range[1], text: flowMap(wanted) }];
  // Last first: what is put in at the same place ends up in front of what was put there before.
  return wanted
    .toReversed()
    .flatMap(([field, content]) => setField(text, entry, value, field, content, newline));
}

function setField(
  text: string,
  entry: YamlPair,
  map: YAMLMap.Parsed,
  field: Field,
  value: string,
  newline: string,
): Splice[] {
  const pair = findPair(map, (key) => key === field);
  if (pair === undefined) return [insertField(map, field, value, newline, text)];
  const old = pair.value;
  if (old === null || (isScalar(old) && old.source === ''))
    return [fillEmpty(text, pair, ` ${scalarText(value)}`)];
  if (!isScalar(old) || old.anchor !== undefined || isBlock(old)) {
    throw cannotEdit(`${field} of ${keyText(entry)} is not a plain value of its own`);
  }
  if (old.value === value) return [];
  return [{ start: old.range[0], end: old.range[1], text: scalarText(value) }];
}

function removeField(text: string, entry: YamlPair, field: Field): Splice[] {
  const { value } = entry;
  const pair = isMap(value) ? findPair(value, (key) => key === field) : undefined;
  if (!isMap(value) || pair === undefined) return [];
  if (value.anchor !== undefined) {
    throw cannotEdit(`the entry ${keyText(entry)} is shared by the anchor &${value.anchor}`);
  }
  // An entry without a field is still one: the machine is known.
  if (value.items.length === 1)
    return [{ start: value.range[0], end: lastCharacter(text, value.range[1]), text: '{}' }];
  return [cutPair(text, value, pair)];
}

function isBlock(node: Scalar): boolean {
  return node.type === Scalar.BLOCK_LITERAL || node.type === Scalar.BLOCK_FOLDED;
}

/** Before the first field, which there is. */
function insertField(
  map: YAMLMap.Parsed,
  field: Field,
  value: string,
  newline: string,
  text: string,
): Splice {
  const first = map.items[0]?.key;
  const start = first?.range[0] ?? map.range[0] + 1;
  const pair = `${field}: ${scalarText(value)}`;
  if (map.flow === true) return { start, end: start, text: `${pair}, ` };
  return { start, end: start, text: `${pair}${newline}${' '.repeat(columnOf(text, start))}` };
}

/** Gives a key without a value one: just after its colon, before a comment. */
function fillEmpty(text: string, pair: YamlPair, addition: string): Splice {
  const { value } = pair;
  if (isScalar(value) && value.source !== undefined && value.source !== '') {
    return { start: value.range[0], end: value.range[1], text: addition.trimStart() };
  }
  const colon = /^\s*:/.exec(text.slice(pair.key.range[1]));
  if (colon === null) throw cannotEdit(`the key ${keyText(pair)} has no colon`);
  const start = pair.key.range[1] + colon[0].length;
  return { start, end: start, text: addition };
}

function insertEntry(
  text: string,
  root: YAMLMap.Parsed | null,
  machines: YamlPair | undefined,
  line: string,
  newline: string,
): Splice {
  if (machines === undefined) {
    if (root?.flow === true) throw cannotEdit('it is written in one pair of braces');
    // At the end, or before a `...`, which ends a document.
    const end = /^\.\.\.[ \t]*(\r?\n|$)/m.exec(text)?.index ?? text.length;
    const gap = end === 0 || text[end - 1] === '\n' ? '' : newline;
    return { start: end, end, text: `${gap}machines:${newline}  ${line}${newline}` };
  }
  const map = machines.value;
  const indent = columnOf(text, machines.key.range[0]) + 2;
  const openBlock = ({ range }: ParsedNode): Splice => ({
    start: lastCharacter(text, range[0]),
    end: range[1],
    text: `${newline}${' '.repeat(indent)}${line}`,
  });
  if (!isMap(map)) {
    if (map !== null && !isScalar(map)) throw cannotEdit('`machines` is not a map of its own');
    if (isScalar(map) && map.value !== null) throw cannotEdit('`machines` is not a map');
    if (isScalar(map) && map.source !== undefined && map.source !== '') return openBlock(map);
    return afterLine(text, machines.key.range[1], ' '.repeat(indent) + line, newline);
  }
  const last = map.items.at(-1);
  if (map.flow === true) {
    if (last === undefined)
      return root?.flow === true
        ? { start: map.range[0], end: map.range[1], text: `{ ${line} }` }
        : openBlock(map);
    const end = (last.value ?? last.key).range[1];
    return { start: end, end, text: `, ${line}` };
  }
  if (last === undefined) throw cannotEdit('`machines` is not a map of its own');
  const spaces = ' '.repeat(columnOf(text, last.key.range[0]));
  const end = Math.max(last.key.range[1], last.value?.range[1] ?? 0);
  return afterLine(text, lastCharacter(text, end), spaces + line, newline);
}

function afterLine(text: string, position: number, line: string, newline: string): Splice {
  const lineEnd = text.indexOf('\n', position);
  if (lineEnd === -1) return { start: text.length, end: text.length, text: `${newline}${line}${newline}` };
  return { start: lineEnd + 1, end: lineEnd + 1, text: `${line}${newline}` };
}

function flowMap(fields: readonly [Field, string][]): string {
  if (fields.length === 0) return '{}';
  return `{ ${fields.map(([field, value]) => `${field}: ${scalarText(value)}`).join(', ')} }`;
}

/** Quoted where YAML would read something else: `hostname: 123`. */
function scalarText(value: string): string {
  return stringify(value, { lineWidth: 0 }).trimEnd();
}

/** Reads the result back: an edit that did not do what it should, and nothing else, is not handed out. */
function verify(
  old: Plain,
  edited: string,
  mac: Mac,
  wanted: readonly [Field, string][],
  removed: Field | undefined,
): void {
  const machines = { ...old.machines };
  const key = Object.keys(machines).find((each) => parseMac(each) === mac) ?? mac;
  const entry: Record<string, unknown> = { ...machines[key], ...Object.fromEntries(wanted) };
  if (removed !== undefined) delete entry[removed];
  machines[key] = entry;
  if (!isDeepStrictEqual(readPlain(edited), { ...old, machines }))
    throw cannotEdit(`its layout around ${mac} is unusual`);
}
