import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DIAGNOSIS_RULES } from '../src/boot/diagnosis-rules.ts';
import { HELPERS } from '../src/render/template-helpers.ts';
import { generateSchemas } from './generate.ts';

/**
 * The tables of docs/configuration.md and docs/diagnoses.md, from the schemas that the files are read with. `node schemas/generate-docs.ts`
 * writes them between their markers and leaves the rest of the page alone; a test fails if they are not what it would
 * write.
 */
const PAGE = join(import.meta.dirname, '../docs/configuration.md');
const DIAGNOSES = join(import.meta.dirname, '../docs/diagnoses.md');

/** As much of JSON Schema as ours use. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: string | number | boolean;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly patternErrorMessage?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly propertyNames?: Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

/** The page with fresh tables. Throws if a marker is missing. */
export function generatePage(page: string): string {
  const schemas = [...generateSchemas()].map(([name, text]) => [name, tableOf(JSON.parse(text) as Schema)] as const);
  const blocks = new Map<string, string>([...schemas, ['helpers', tableOfHelpers()]]);
  let result = page;
  for (const [name, table] of blocks) {
    const open = `<!-- generated: ${name} -->`;
    const close = '<!-- end -->';
    const start = result.indexOf(open);
    const end = result.indexOf(close, start);
    if (start === -1 || end === -1) throw new Error(`the page has no ${open} … ${close}`);
    result = `${result.slice(0, start + open.length)}\n\n${table}\n\n${result.slice(end)}`;
  }
  return result;
}

/** As committed. */
export function readPage(): string {
  return readFileSync(PAGE, 'utf8');
}

function tableOf(schema: Schema): string {
  const head = ['| key | value | default | meaning |', '|---|---|---|---|'];
  const rows = [...rowsOf(schema, '')].map(({ key, value, fallback, meaning }) => {
    const shown = fallback === undefined ? '' : fallback === REQUIRED ? '**required**' : code(fallback);
    const cells = [code(key), value, shown, escape(meaning)];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return [...head, ...rows].join('\n');
}

export const REQUIRED = Symbol('required');

/** One key; `value` says in Markdown what it may be. */
export interface KeyRow {
  readonly key: string;
  readonly value: string;
  readonly fallback: string | typeof REQUIRED | undefined;
  readonly meaning: string;
}

/** Every key of a file, at every depth, in the order of its schema. */
export function rowsOfFile(name: string): readonly KeyRow[] {
  return [...rowsOf(JSON.parse(generateSchemas().get(name) ?? '{}') as Schema, '')];
}

function* rowsOf(schema: Schema, prefix: string): Generator<KeyRow> {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const key = `${prefix}${name}`;
    const required = schema.required?.includes(name) === true;
    const given = property.default === undefined ? undefined : String(property.default);
    const meaning = property.description ?? '';
    yield { key, value: valueOf(property), fallback: required ? REQUIRED : given, meaning };
    yield* rowsBelow(property, key);
  }
}

/** Of a map, of each entry of a list, and of each value under a MAC. */
function* rowsBelow(schema: Schema, path: string): Generator<KeyRow> {
  yield* rowsOf(schema, `${path}.`);
  for (const variant of schema.anyOf ?? []) yield* rowsBelow(variant, path);
  if (schema.items !== undefined) yield* rowsBelow(schema.items, `${path}[]`);
  const named = schema.propertyNames === undefined ? undefined : Object.values(schema.patternProperties ?? {})[0];
  if (named !== undefined) yield* rowsBelow(named, `${path}.MAC`);
}

function valueOf(schema: Schema): string {
  if (schema.anyOf !== undefined) {
    const scalars = schema.anyOf.filter(({ type }) => type !== 'null' && type !== 'array').map(valueOf);
    const lists = schema.anyOf.filter(({ type }) => type === 'array');
    const texts = lists.map((list) => (scalars.includes(valueOf(list.items ?? {})) ? 'a list of such' : valueOf(list)));
    return [...scalars, ...texts].join(', or ');
  }
  if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(', ');
  switch (schema.type) {
    case 'array':
      return schema.items?.type === 'object' ? 'a list of maps' : `a list: ${valueOf(schema.items ?? {})}`;
    case 'boolean':
      return `${code('true')}, ${code('false')}`;
    case 'integer':
      return numberOf(schema);
    case 'object':
      return 'a map';
    default:
      return schema.patternErrorMessage?.replace(/^expected /, '') ?? 'text';
  }
}

function numberOf({ minimum, maximum }: Schema): string {
  if (minimum === undefined) return 'a whole number';
  return maximum === undefined ? `a whole number from ${minimum}` : `${minimum} to ${maximum}`;
}

function tableOfHelpers(): string {
  const rows = Object.entries(HELPERS).map(([name, { usage }]) => `| ${code(name)} | ${code(usage.replaceAll('|', '\\|'))} |`);
  return ['| helper | written |', '|---|---|', ...rows].join('\n');
}

/** `<…>` would be a tag. */
function escape(text: string): string {
  return text.replaceAll('<', '&lt;');
}

function code(text: string): string {
  return `\`${text}\``;
}

/** docs/diagnoses.md with what the table of rules says, between its markers. Throws if one is missing. */
export function generateDiagnoses(page: string): string {
  const [open, close] = ['<!-- generated: diagnoses -->', '<!-- end -->'];
  const [start, end] = [page.indexOf(open), page.indexOf(close)];
  if (start === -1 || end < start) throw new Error(`the page has no ${open} … ${close}`);
  return `${page.slice(0, start + open.length)}\n\n${tableOfDiagnoses()}\n\n${page.slice(end)}`;
}

/** As committed. */
export function readDiagnoses(): string {
  return readFileSync(DIAGNOSES, 'utf8');
}

function tableOfDiagnoses(): string {
  const rows = DIAGNOSIS_RULES.map(({ name, title, meaning, remedy }) => {
    // What is filled in from the machine is the word for it here.
    const todo = remedy.replaceAll(/(?<!\{)\{([a-z]+)\}(?!\})/g, (_whole, word: string) => word.toUpperCase());
    return `| ${[code(name), `*${title}.* ${meaning}`, todo].map((cell) => escape(cell).replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return ['| name | what it means | what to do |', '|---|---|---|', ...rows].join('\n');
}

if (import.meta.main) {
  writeFileSync(PAGE, generatePage(readPage()));
  writeFileSync(DIAGNOSES, generateDiagnoses(readDiagnoses()));
}
