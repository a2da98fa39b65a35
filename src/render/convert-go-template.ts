/**
 * Go's text/template (https://pkg.go.dev/text/template), as far as configurations use it, in Handlebars: fields, variables,
 * `index`, `if`, `range`, `with`, `eq`, `ne`, `and`, `or`, `not`, comments, and the hyphens that trim white space.
 */
export interface ConvertedTemplate {
  readonly text: string;
  /** What had no counterpart: it stands in the text as a comment. */
  readonly notes: readonly { readonly line: number; readonly message: string }[];
}

/** What a field of the root stands for, in Handlebars without braces; undefined: nothing gives it. */
export type NameOfField = (path: readonly string[]) => string | undefined;

interface Scope {
  /** What ends with the next `end`. `lost`: a block that could not be converted, whose end goes with it. */
  readonly block: 'if' | 'unless' | 'each' | 'with' | 'lost';
  /** The dot is an element, and what is asked of the root needs `@root.`. */
  readonly moved: boolean;
  readonly variables: ReadonlyMap<string, string>;
}

interface State {
  readonly nameOf: NameOfField;
  readonly scopes: Scope[];
}

class Unconvertible extends Error {}

const ACTION = /\{\{(-\s)?((?:"(?:\\.|[^"\\])*"|`[^`]*`|\/\*[^]*?\*\/|(?!\}\})[^])*?)(\s-)?\}\}/g;

export function convertGoTemplate(text: string, nameOf: NameOfField): ConvertedTemplate {
  const notes: { line: number; message: string }[] = [];
  const state: State = { nameOf, scopes: [] };
  let output = '';
  let from = 0;
  for (const match of text.matchAll(ACTION)) {
    const [whole, before, body = '', after] = match;
    const source = body.trim();
    output += escapeText(text.slice(from, match.index), true);
    from = match.index + whole.length;
    const line = text.slice(0, match.index).split('\n').length;
    // Handlebars takes the whole line of a block that stands alone on it: with one side trimmed as well, two breaks would go.
    const isLine = isAlone(text, match.index, from) && (before === undefined) !== (after === undefined);
    const isBlock = isLine && !/^([.$("`]|index\b)/.test(source);
    const open = before === undefined || isBlock ? '{{' : '{{~';
    const close = after === undefined || isBlock ? '}}' : '~}}';
    try {
      const converted = convertAction(source, state);
      output += converted === '' ? trimOnly(open, close) : `${open}${converted}${close}`;
    } catch (error) {
      if (!(error instanceof Unconvertible)) throw error;
      notes.push({ line, message: `{{ ${source} }}: ${error.message}` });
      output += `${open}!-- matchbox: ${source.replaceAll('--', '- -')} --${close}`;
    }
  }
  output += escapeText(text.slice(from), false);
  if (state.scopes.length > 0) notes.push({ line: text.split('\n').length, message: 'a block is not ended' });
  return { text: output, notes };
}

/** Nothing else but white space is on its line. */
function isAlone(text: string, start: number, end: number): boolean {
  const before = text.slice(text.lastIndexOf('\n', start - 1) + 1, start);
  const next = text.indexOf('\n', end);
  const after = text.slice(end, next === -1 ? text.length : next);
  return before.trim() === '' && after.trim() === '';
}

/** Nothing is printed, but white space may be trimmed. */
function trimOnly(open: string, close: string): string {
  return open === '{{' && close === '}}' ? '' : `${open}! ${close}`;
}

/** A backslash before an expression would escape it: it is doubled. What is left of braces was none of Go's. */
function escapeText(text: string, beforeAction: boolean): string {
  const escaped = text.replaceAll('{{', '\\{{');
  return beforeAction && escaped.endsWith('\\') ? `${escaped}\\` : escaped;
}

/** Text that is no template at all. */
export function escapeForHandlebars(text: string): string {
  return escapeText(text, false);
}

function convertAction(source: string, state: State): string {
  if (source.startsWith('/*')) return `!-- ${source.slice(2, -2).trim().replaceAll('--', '- -')} --`;
  const words = tokenize(source);
  const [first, second] = words;
  switch (first) {
    case 'end':
      return endBlock(state);
    case 'else':
      if (state.scopes.at(-1)?.block === 'lost') throw new Unconvertible('its block could not be converted');
      if (second === undefined) return 'else';
      if (second !== 'if') throw new Unconvertible('only `else` and `else if` have a counterpart');
      return `else if ${argument(words.slice(2), state)}`;
    case 'if':
      return opened(state, 'if', () => {
        enter(state, 'if', false);
        return `#if ${argument(words.slice(1), state)}`;
      });
    case 'range':
    case 'with':
      return opened(state, first, () => openElement(first, words.slice(1), state));
    case 'define':
    case 'block':
      enter(state, 'lost', false);
      throw new Unconvertible('write it as a file of profiles/partials, and {{> name}}');
    case 'template':
      throw new Unconvertible('write it as a file of profiles/partials, and {{> name}}');
    default:
      return convertValue(words, state);
  }
}

/** A block whose head does not convert is lost with its end. */
function opened(state: State, what: string, open: () => string): string {
  const depth = state.scopes.length;
  try {
    return open();
  } catch (error) {
    state.scopes.length = depth;
    enter(state, 'lost', false);
    if (error instanceof Unconvertible) {
      throw new Unconvertible(`${error.message}; the lines in this \`${what}\` are kept`);
    }
    throw error;
  }
}

function enter(state: State, block: Scope['block'], moved: boolean, more: [string, string][] = []): void {
  const outer = state.scopes.at(-1);
  state.scopes.push({
    block,
    moved: moved || outer?.moved === true,
    variables: new Map([...(outer?.variables ?? []), ...more]),
  });
}

function endBlock(state: State): string {
  const scope = state.scopes.pop();
  if (scope === undefined) throw new Unconvertible('there is no block to end');
  if (scope.block === 'lost') throw new Unconvertible('its block could not be converted');
  return `/${scope.block}`;
}

function openElement(word: 'range' | 'with', words: readonly string[], state: State): string {
  const block = word === 'range' ? 'each' : 'with';
  const assigned = words.indexOf(':=');
  const names = words
    .slice(0, Math.max(assigned, 0))
    .filter((name) => name !== ',')
    .map((name) => name.replace(/,$/, ''));
  if (names.some((name) => !/^\$\w+$/.test(name)))
    throw new Unconvertible('its variables are not understood');
  const over = argument(words.slice(assigned + 1), state);
  const bare = names.map((name) => name.slice(1));
  const [index, element] = bare.length === 2 ? bare : [undefined, bare[0]];
  const parameters =
    element === undefined ? '' : ` as |${[element, index].filter((name) => name !== undefined).join(' ')}|`;
  enter(
    state,
    block,
    true,
    bare.map((name): [string, string] => [name, name]),
  );
  return `#${block} ${over}${parameters}`;
}

function convertValue(words: readonly string[], state: State): string {
  if (words.length > 1 && words[1] === ':=') throw new Unconvertible('variables have no counterpart');
  const [first = ''] = words;
  if (words.length === 1 && /^["`]/.test(first)) throw new Unconvertible('write the text itself');
  const value = argument(words, state);
  return value.startsWith('(') ? value.slice(1, -1) : value;
}

/** Functions that mean the same. */
const FUNCTIONS: { readonly [name: string]: string } = { eq: 'eq', and: 'and', or: 'or', not: 'not' };

/** One value, in parentheses where it is a call. */
function argument(words: readonly string[], state: State): string {
  if (words.includes('|')) throw new Unconvertible('a pipeline has no counterpart');
  const [first = '', ...rest] = words;
  if (first === '') throw new Unconvertible('a value is missing');
  if (first === 'index') return indexed(rest, state);
  if (first === 'ne') return `(not (eq ${rest.map((word) => operand(word, state)).join(' ')}))`;
  if (Object.hasOwn(FUNCTIONS, first)) {
    return `(${FUNCTIONS[first]} ${rest.map((word) => operand(word, state)).join(' ')})`;
  }
  if (rest.length > 0 || /^[A-Za-z_]\w*$/.test(first)) {
    const known = first === 'true' || first === 'false';
    if (!known || rest.length > 0) throw new Unconvertible(`the function ${first} has no counterpart`);
  }
  return operand(first, state);
}

/** `index . "a" "b"`. */
function indexed([map = '', ...keys]: readonly string[], state: State): string {
  const path = keys.map((key) => /^"((?:[^"\\])*)"$/.exec(key)?.[1] ?? '');
  if (path.length === 0 || path.includes(''))
    throw new Unconvertible('only names in quotes can be asked for');
  const base = map === '.' ? [] : /^(\$?)((?:\.\w+)+)$/.exec(map)?.[2]?.slice(1).split('.');
  if (base === undefined && map !== '$') throw new Unconvertible('its map is not understood');
  return field([...(base ?? []), ...path], map.startsWith('$'), state);
}

function operand(word: string, state: State): string {
  if (/^\(.*\)$/s.test(word)) return argument(tokenize(word.slice(1, -1)), state);
  if (/^-?\d+(\.\d+)?$/.test(word) || word === 'true' || word === 'false') return word;
  if (/^"(?:\\.|[^"\\])*"$/.test(word)) return literal(word);
  if (word === '.') {
    if (state.scopes.at(-1)?.moved !== true)
      throw new Unconvertible('the whole of all values has no counterpart');
    return 'this';
  }
  const variable = /^\$(\w+)((?:\.\w+)*)$/.exec(word);
  if (variable !== null) {
    const known = state.scopes.at(-1)?.variables.get(variable[1] ?? '');
    if (known === undefined) throw new Unconvertible(`the variable $${variable[1]} is not known`);
    return `${known}${variable[2] ?? ''}`;
  }
  const path = /^(\$?)((?:\.[\w]+)+)$/.exec(word);
  if (path === null) throw new Unconvertible(`${word} is not understood`);
  return field((path[2] ?? '').slice(1).split('.'), path[1] === '$', state);
}

function literal(word: string): string {
  const text = word.slice(1, -1);
  if (/["\\]/.test(text)) throw new Unconvertible('a text with quotes or backslashes has no counterpart');
  return `"${text}"`;
}

function field(path: readonly string[], isRoot: boolean, state: State): string {
  const moved = state.scopes.at(-1)?.moved === true;
  if (moved && !isRoot) return ['this', ...path].join('.');
  const name = state.nameOf(path);
  if (name === undefined) throw new Unconvertible(`nothing gives .${path.join('.')}`);
  return moved ? name.replace(/\b(parameters|machine)\./g, '@root.$1.') : name;
}

function tokenize(source: string): readonly string[] {
  const words: string[] = [];
  let rest = source.trim();
  while (rest !== '') {
    const word =
      /^(?:"(?:\\.|[^"\\])*"|`[^`]*`|:=|\||,)/.exec(rest)?.[0] ??
      parenthesis(rest) ??
      /^[^\s|,(]+/.exec(rest)?.[0];
    if (word === undefined) throw new Unconvertible('it is not understood');
    words.push(word);
    rest = rest.slice(word.length).trimStart();
  }
  return words;
}

function parenthesis(text: string): string | undefined {
  if (!text.startsWith('(')) return undefined;
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === '(') depth += 1;
    if (character === ')') depth -= 1;
    if (depth === 0) return text.slice(0, index + 1);
  }
  return undefined;
}
