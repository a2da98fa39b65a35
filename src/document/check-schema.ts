import type { Problem } from '../errors.ts';
import { allowedValues, describeSchema, keysOf, type SchemaNode } from './describe-schema.ts';
import { type DocumentPath, formatPath, type Located, type Place, quoteText } from './located.ts';
import { nearestWord } from './nearest-word.ts';

/** Beyond these the file is something else altogether. */
const MAX_PROBLEMS = 100;
/** Values that aliases may add to what the file holds. */
const MAX_ALIASED = 10_000;

/** What is known of a key that is not allowed, by its path (`dhcp.subnets[].pool`). Undefined: nothing. */
export type MovedKeys = (path: string) => { readonly message: string; readonly remedy?: string } | undefined;

export type QuotesValues = (path: DocumentPath) => boolean;

export interface CheckedValue {
  /** As JSON would have it; only meaningful if no problem is an error. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
}

/**
 * Checks located YAML against a schema. Every problem names its place, what is wrong and what is allowed. A key that
 * may be absent, holds a map or a list and has no value (`dhcp:` with all its lines commented out) counts as absent.
 * What `quotesValues` is false of no message quotes: there, it may be a secret.
 */
export function checkSchema(
  schema: SchemaNode,
  root: Located,
  options: { file: string; size: number; moved?: MovedKeys; quotesValues?: QuotesValues },
): CheckedValue {
  const problems: Problem[] = [];
  let budget = options.size + MAX_ALIASED;

  const report = (severity: Problem['severity'], place: Place, message: string, remedy?: string): void => {
    if (problems.length >= MAX_PROBLEMS) return;
    problems.push({ severity, message, file: options.file, ...place, ...(remedy && { remedy }) });
  };
  const mismatch = (node: Located, wanted: SchemaNode, path: DocumentPath): null => {
    const where = path.length === 0 ? 'the file' : quotePath(path);
    const hint = quotingHint(node, wanted);
    report(
      'error',
      node.place,
      `${where}: expected ${describeSchema(wanted)}; got ${describeGiven(node, path)}${hint}`,
    );
    return null;
  };

  const describeGiven = (node: Located, path: DocumentPath): string => {
    if (options.quotesValues?.(path) === false) return describeKind(node);
    return isSecret(path) ? 'something else' : describeLocated(node);
  };

  const check = (wanted: SchemaNode, node: Located, path: DocumentPath): unknown => {
    budget -= 1;
    if (budget < 0) {
      if (budget === -1)
        report('error', node.place, `aliases make the file more than ${MAX_ALIASED} values larger`);
      return null;
    }
    const values = allowedValues(wanted);
    if (values !== undefined) {
      if (node.kind === 'scalar' && values.some((value) => value === node.value)) return node.value;
      return mismatch(node, wanted, path);
    }
    if (wanted.anyOf !== undefined) {
      const branch = branchFor(wanted.anyOf, node);
      return branch === undefined ? mismatch(node, wanted, path) : check(branch, node, path);
    }
    if (wanted.type !== undefined && !fitsKind(wanted, node)) return mismatch(node, wanted, path);
    if (node.kind === 'map') return checkMap(wanted, node, path);
    if (node.kind === 'list') return checkList(wanted, node, path);
    if (!fitsScalar(wanted, node.value)) return mismatch(node, wanted, path);
    if (typeof node.value === 'number') checkNumber(wanted, node, path);
    return node.value;
  };

  const checkList = (wanted: SchemaNode, node: Located & { kind: 'list' }, path: DocumentPath): unknown => {
    if (node.items.length < (wanted.minItems ?? 0)) {
      report('error', node.place, `${quotePath(path)}: the list is empty; it needs at least one entry`);
    }
    if (node.items.length > (wanted.maxItems ?? Infinity)) {
      report('error', node.place, `${quotePath(path)}: expected at most ${wanted.maxItems} entries`);
    }
    return node.items.map((item, index) => check(wanted.items ?? {}, item, [...path, index]));
  };

  const checkMap = (wanted: SchemaNode, node: Located & { kind: 'map' }, path: DocumentPath): unknown => {
    const value: Record<string, unknown> = {};
    const properties = wanted.properties ?? {};
    const others = Object.values(wanted.patternProperties ?? {})[0];
    const required = wanted.required ?? [];
    for (const [key, entry] of node.entries) {
      const known = Object.hasOwn(properties, key) ? properties[key] : others;
      if (known === undefined && wanted.additionalProperties === false) {
        const moved = options.moved?.(formatPath([...path, key]).replace(/\[\d+\]/g, '[]'));
        const message = moved?.message ?? describeUnknownKey(key, path, keysOf(wanted));
        report('error', entry.keyPlace, message, moved?.remedy);
        continue;
      }
      const names = wanted.propertyNames;
      if (names?.pattern !== undefined && !new RegExp(names.pattern, 'u').test(key)) {
        const where = path.length === 0 ? 'a key' : `a key of ${quotePath(path)}`;
        report('error', entry.keyPlace, `${where}: expected ${describeSchema(names)}; got ${quoteText(key)}`);
        continue;
      }
      const empty = entry.value.kind === 'scalar' && entry.value.value === null;
      if (empty && (known?.type === 'object' || known?.type === 'array') && !required.includes(key)) continue;
      const checked = check(known ?? {}, entry.value, [...path, key]);
      Object.defineProperty(value, key, {
        value: checked,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    for (const key of required) {
      if (node.entries.has(key)) continue;
      const where = path.length === 0 ? 'the file' : quotePath(path);
      const meant = describeSchema(properties[key] ?? {});
      report('error', node.place, `${where}: the key "${key}" is missing; expected ${meant}`);
    }
    return value;
  };

  const checkNumber = (wanted: SchemaNode, node: Located & { kind: 'scalar' }, path: DocumentPath): void => {
    if (wanted.type !== undefined) return;
    if (!Number.isFinite(node.value)) {
      report('error', node.place, `${quotePath(path)}: ${node.source} is no number that JSON can hold`);
    } else if (String(node.value) !== node.source) {
      // `kubernetesVersion: 1.30` would silently become 1.3.
      const text = `${quotePath(path)}: ${node.source} is read as the number ${node.value}; put it in quotes if it is text`;
      report('warning', node.place, text);
    }
  };

  const value = check(schema, root, []);
  return { value, problems };
}

function quotePath(path: DocumentPath): string {
  return `"${formatPath(path).replaceAll('"', "'")}"`;
}

function describeUnknownKey(key: string, path: DocumentPath, allowed: readonly string[]): string {
  const where = path.length === 0 ? '' : ` in ${quotePath(path)}`;
  const nearest = nearestWord(key, allowed);
  const meant = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  return `unknown key ${quoteText(key)}${where}${meant === '' ? ';' : meant} allowed: ${allowed.join(', ')}`;
}

/** Of several kinds of map the one that knows most of the keys. */
function branchFor(options: readonly SchemaNode[], node: Located): SchemaNode | undefined {
  const fitting = options.filter((option) => fitsKind(option, node));
  if (node.kind !== 'map' || fitting.length < 2) return fitting[0];
  const known = (option: SchemaNode): number =>
    [...node.entries.keys()].filter((key) => keysOf(option).includes(key)).length;
  return fitting.reduce((best, option) => (known(option) > known(best) ? option : best));
}

function fitsKind(schema: SchemaNode, node: Located): boolean {
  if (schema.enum !== undefined) {
    return node.kind === 'scalar' && schema.enum.some((value) => typeof value === typeof node.value);
  }
  if (schema.anyOf !== undefined) return schema.anyOf.some((option) => fitsKind(option, node));
  if (schema.const !== undefined) return node.kind === 'scalar' && node.value === schema.const;
  switch (schema.type) {
    case 'object':
      return node.kind === 'map';
    case 'array':
      return node.kind === 'list';
    case 'null':
      return node.kind === 'scalar' && node.value === null;
    case 'string':
      return node.kind === 'scalar' && typeof node.value === 'string';
    case 'boolean':
      return node.kind === 'scalar' && typeof node.value === 'boolean';
    case 'integer':
    case 'number':
      return node.kind === 'scalar' && typeof node.value === 'number';
    default:
      return true;
  }
}

function fitsScalar(schema: SchemaNode, value: string | number | boolean | null): boolean {
  if (typeof value === 'string') {
    if (schema.minLength !== undefined && value.length < schema.minLength) return false;
    if (schema.maxLength !== undefined && value.length > schema.maxLength) return false;
    return schema.pattern === undefined || new RegExp(schema.pattern, 'u').test(value);
  }
  if (typeof value === 'number') {
    if (schema.type === 'integer' && !Number.isSafeInteger(value)) return false;
    return value >= (schema.minimum ?? -Infinity) && value <= (schema.maximum ?? Infinity);
  }
  return true;
}

/** Who writes the password itself where its file is to stand must not find it in the log. */
function isSecret(path: DocumentPath): boolean {
  return /passw|secret|token/i.test(String(path.at(-1) ?? ''));
}

function describeKind(node: Located): string {
  if (node.kind !== 'scalar' || node.value === null) return describeLocated(node);
  return typeof node.value === 'string' ? 'a text' : `a ${typeof node.value}`;
}

function describeLocated(node: Located): string {
  if (node.kind === 'map') return 'a map';
  if (node.kind === 'list') return 'a list';
  if (node.value === null) return 'nothing';
  if (typeof node.value === 'string') return quoteText(node.value);
  return typeof node.value === 'number' ? `the number ${node.source}` : String(node.value);
}

function quotingHint(node: Located, wanted: SchemaNode): string {
  if (node.kind !== 'scalar' || wanted.type !== 'string') return '';
  return typeof node.value === 'number' || typeof node.value === 'boolean' ? ' (text needs quotes here)' : '';
}
