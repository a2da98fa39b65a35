import { Buffer } from 'node:buffer';

/** Where something stands in a template's text: lines from 1, columns from 0, as Handlebars counts them. */
export interface TemplatePosition {
  readonly line: number;
  readonly column: number;
}

/** A helper refused its arguments, at this place of the template. */
export class HelperError extends Error {
  readonly position: TemplatePosition;

  constructor(message: string, position: TemplatePosition) {
    super(message);
    this.name = 'HelperError';
    this.position = position;
  }
}

export interface HelperRule {
  /** How many arguments it takes. */
  readonly least: number;
  readonly most: number;
  /** `block`: `{{#name …}}` only; `value`: `{{name …}}` and `(name …)` only. */
  readonly kind: 'block' | 'value';
  /** It asks whether something is there, so that an argument which is not is an answer and no mistake. */
  readonly asksWhether: boolean;
  /** Absent for those that Handlebars brings. */
  readonly run?: (...args: unknown[]) => unknown;
  /** For documentation and messages. */
  readonly usage: string;
}

interface HelperOptions {
  readonly name: string;
  readonly hash: { readonly [key: string]: unknown };
  readonly loc: { readonly start: TemplatePosition };
}

/** Everything that a template may call: Handlebars' own blocks and ours. */
export const HELPERS: { readonly [name: string]: HelperRule } = {
  if: block('{{#if value}}…{{else}}…{{/if}}', { asksWhether: true }),
  unless: block('{{#unless value}}…{{/unless}}', { asksWhether: true }),
  each: block('{{#each list as |item index|}}…{{/each}}'),
  with: block('{{#with value as |name|}}…{{/with}}'),

  indent: value(2, 2, '{{indent 4 text first=true}}', indent),
  base64: value(1, 1, '{{base64 text}}', ([text], options) =>
    Buffer.from(textOf(text, options)).toString('base64'),
  ),
  json: value(1, 1, '{{json value space=2}}', json),
  quote: value(1, 1, '{{quote text}}', ([text], options) => quote(textOf(text, options))),
  shell: value(1, 1, '{{shell text}}', shell),
  unit: value(1, 1, '{{unit text}}', unit),
  oneLine: value(1, 1, '{{oneLine text}}', oneLine),
  join: value(1, 2, '{{join list ", "}}', ([list, separator = ','], options) =>
    listOf(list, options).join(textOf(separator, options)),
  ),
  concat: value(2, 9, '(concat "https://" address ":4001")', (parts, options) =>
    parts.map((part) => textOf(part, options)).join(''),
  ),
  hostOf: value(1, 1, '{{hostOf address}}', ([text], options) => hostOf(oneLine([text], options))),
  lines: value(1, 1, '{{lines list}}', ([list], options) => listOf(list, options).join('\n')),
  required: value(2, 2, '{{required value "why it is needed"}}', required, { asksWhether: true }),
  default: value(
    2,
    2,
    '{{default value fallback}}',
    ([given, fallback]) => (isAbsent(given) ? fallback : given),
    {
      asksWhether: true,
    },
  ),
  eq: value(2, 2, '(eq a b)', ([a, b]) => a === b, { asksWhether: true }),
  and: value(2, 9, '(and a b …)', (values) => values.every(isTruthy), { asksWhether: true }),
  or: value(2, 9, '(or a b …)', (values) => values.some(isTruthy), { asksWhether: true }),
  not: value(1, 1, '(not a)', ([a]) => !isTruthy(a), { asksWhether: true }),
};

type Run = (args: readonly unknown[], options: HelperOptions) => unknown;

function value(
  least: number,
  most: number,
  usage: string,
  run: Run,
  more: { asksWhether?: boolean } = {},
): HelperRule {
  return {
    least,
    most,
    kind: 'value',
    asksWhether: more.asksWhether ?? false,
    usage,
    run: (...all) => {
      const options = all.at(-1) as HelperOptions;
      const args = all.slice(0, -1);
      if (args.length < least || args.length > most) throw refuse(options, `it is written ${usage}`);
      return run(args, options);
    },
  };
}

function block(usage: string, more: { asksWhether?: boolean } = {}): HelperRule {
  return { least: 1, most: 1, kind: 'block', asksWhether: more.asksWhether ?? false, usage };
}

function refuse(options: HelperOptions, why: string): HelperError {
  return new HelperError(`{{${options.name}}}: ${why}`, options.loc.start);
}

/**
 * Moves every line but the first to the right, so that a block scalar keeps its depth; the first stands where the
 * expression does. With `first=true` the first as well, for an expression at the start of its line. Empty lines stay empty.
 */
function indent([width, text]: readonly unknown[], options: HelperOptions): string {
  if (typeof width !== 'number' || !Number.isInteger(width) || width < 0 || width > 64) {
    throw refuse(options, 'the width is a number of spaces from 0 to 64');
  }
  const margin = ' '.repeat(width);
  const moved = textOf(text, options)
    .replace(/\n+$/, '')
    .replace(/\n(?=[^\n])/g, `\n${margin}`);
  return options.hash['first'] === true ? margin + moved : moved;
}

function json([given]: readonly unknown[], options: HelperOptions): string {
  const { space } = options.hash;
  if (space !== undefined && typeof space !== 'number') throw refuse(options, 'space is a number');
  return escapeLineSeparators(JSON.stringify(given, undefined, space));
}

function quote(text: string): string {
  return escapeLineSeparators(JSON.stringify(text));
}

/** One word of a POSIX shell, whatever is in it. A line break would fall out of the block that holds the script. */
function shell([text]: readonly unknown[], options: HelperOptions): string {
  const word = textOf(text, options);
  if (/\p{Cc}/u.test(word)) throw refuse(options, 'the text holds a control character');
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Of a URL, or of an image's name with its registry (`10.77.0.1:5000/x`): what a list such as NO_PROXY calls it by. */
function hostOf(address: string): string {
  const authority = address.replace(/^[A-Za-z][A-Za-z0-9+.-]*:\/\//, '').replace(/[/?#].*$/s, '');
  const host = authority.replace(/^.*@/s, '');
  return /^\[(.*)\](:\d*)?$/.exec(host)?.[1] ?? host.replace(/:\d*$/, '');
}

/**
 * One word of ExecStart= or Environment= in a unit (systemd.syntax(7), systemd.unit(5) "Specifiers"): a whole one, since
 * quotes count at the edges of words only. A dollar sign means a variable to the first and itself to the second.
 */
function unit([text]: readonly unknown[], options: HelperOptions): string {
  const word = oneLine([text], options).replaceAll('%', '%%');
  if (word.includes('$'))
    throw refuse(options, 'the text holds a dollar sign, which systemd may take for a variable');
  if (/^[\w@:/.,=+%-]+$/.test(word)) return word;
  return `"${word.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** As it is, where it cannot end its line: in files of one setting a line. */
function oneLine([text]: readonly unknown[], options: HelperOptions): string {
  const line = textOf(text, options);
  if (/[\p{Cc}\u2028\u2029]/u.test(line))
    throw refuse(options, 'the text holds a line break or another control character');
  return line;
}

/** JSON leaves them as they are; YAML takes them for the end of a line. The other control characters JSON escapes. */
function escapeLineSeparators(text: string): string {
  return text.replace(
    /[\u007f-\u009f\u2028\u2029\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function required([given, why]: readonly unknown[], options: HelperOptions): unknown {
  if (isAbsent(given)) throw refuse(options, String(why));
  return given;
}

/** false and 0 are values; an empty list or map is as absent as an empty text. */
function isAbsent(given: unknown): boolean {
  if (given === undefined || given === null || given === '') return true;
  if (Array.isArray(given)) return given.length === 0;
  return typeof given === 'object' && Object.keys(given).length === 0;
}

/** As `{{#if}}` sees it: an empty list counts as false. */
function isTruthy(given: unknown): boolean {
  return Array.isArray(given) ? given.length > 0 : Boolean(given);
}

function textOf(given: unknown, options: HelperOptions): string {
  if (typeof given === 'string') return given;
  if (typeof given === 'number' || typeof given === 'boolean') return String(given);
  throw refuse(options, `it takes a text, not ${nameOf(given)}`);
}

function listOf(given: unknown, options: HelperOptions): string[] {
  if (!Array.isArray(given)) throw refuse(options, `it takes a list, not ${nameOf(given)}`);
  return given.map((item) => textOf(item, options));
}

function nameOf(given: unknown): string {
  if (given === undefined) return 'something that is not there';
  if (given === null) return 'null';
  if (Array.isArray(given)) return 'a list (write {{join …}} or {{json …}})';
  return typeof given === 'object' ? 'a map (write {{json …}})' : `a ${typeof given}`;
}
