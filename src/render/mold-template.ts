import type { TemplateContext } from './context.ts';
import { type ContextPath, tagContext } from './mold-context.ts';
import { HELPERS } from './template-helpers.ts';

/**
 * Filling in a template takes Handlebars a hundred times as long as writing the text, and a rack's configurations differ
 * in a few texts of each machine. So a template is rendered once with tags in the place of those texts, and what comes
 * out is a mold: constant pieces, and between them what to put there for another machine. It is exact, not a guess:
 *
 * - A text that is written as it is becomes a piece that is looked up.
 * - A helper that is called with one is called again, with the other machine's, when the mold is used.
 * - Where the course of the template depends on one (`{{#if machine.address}}`, `(eq machine.arch "arm64")`), the answer
 *   is a condition of the mold: a machine with another answer needs another mold.
 * - What is none of these (a helper that makes a list of one, say) has no mold, and is rendered by Handlebars each time.
 */
export interface Mold {
  /** One more than `values`. */
  readonly pieces: readonly string[];
  readonly values: readonly MoldValue[];
  readonly conditions: readonly { readonly node: Node; readonly answer: unknown }[];
}

export interface MoldValue {
  readonly node: Node;
  /** What a partial puts in front of each further line. */
  readonly margin: string;
}

/** How to get at a value. */
export type Node =
  | { readonly kind: 'constant'; readonly value: unknown }
  | { readonly kind: 'path'; readonly path: ContextPath }
  | {
      readonly kind: 'call';
      readonly helper: string;
      readonly args: readonly Node[];
      readonly options: CallOptions;
    };

interface CallOptions {
  readonly name: string;
  readonly loc: unknown;
  /** Of constants: as it is. Else what its values are made of. */
  readonly hash: Readonly<Record<string, unknown>>;
  readonly hashNodes?: Readonly<Record<string, Node>>;
}

type Helper = (this: unknown, ...args: unknown[]) => unknown;
type Render = (context: TemplateContext, helpers: Readonly<Record<string, Helper>>) => string;

/** Stands for a text of the machine. Written into the text, it shows where it is, and how deep further lines are. */
class Tag {
  readonly node: Node;
  readonly #mark: string;

  constructor(node: Node, mark: string) {
    this.node = node;
    this.#mark = mark;
  }

  toString(): string {
    return this.#mark;
  }
}

class NoMold extends Error {}

const MARK = /\ue000(\d+)\ue001\n([ \t]*)\ue002/;
const OF_MARKS = /[\ue000-\ue002]/;

/**
 * The mold of a template, made of one machine's context; undefined where there is none. `render` fills in the template
 * by Handlebars with these helpers over its own, `builtIn` are Handlebars' own.
 */
export function makeMold(
  context: TemplateContext,
  builtIn: Readonly<Record<string, Helper>>,
  render: Render,
): Mold | undefined {
  const nodes: Node[] = [];
  const conditions: { node: Node; answer: unknown }[] = [];
  const tag = (node: Node): Tag => {
    nodes.push(node);
    return new Tag(node, `\ue000${nodes.length - 1}\ue001\n\ue002`);
  };
  const { context: tagged, containers } = tagContext(context, (path) => tag({ kind: 'path', path }));
  const nodeOf = (given: unknown): Node => {
    if (given instanceof Tag) return given.node;
    if (typeof given !== 'object' || given === null) return { kind: 'constant', value: given };
    const path = containers.get(given);
    if (path !== undefined) return { kind: 'path', path };
    // `{{> partial name="x"}}` makes a new context of the one it has.
    if (holdsTag(given, containers)) throw new NoMold();
    return { kind: 'constant', value: given };
  };
  const isConstant = ({ kind }: Node): boolean => kind === 'constant';

  const call = (helper: string, run: Helper): Helper =>
    function called(this: unknown, ...all) {
      const options = all.at(-1) as { name: string; hash: Readonly<Record<string, unknown>>; loc: unknown };
      const { name, loc, hash } = options;
      const args = all.slice(0, -1).map(nodeOf);
      const hashNodes = Object.fromEntries(Object.entries(hash).map(([key, value]) => [key, nodeOf(value)]));
      const isHashConstant = Object.values(hashNodes).every(isConstant);
      if (isHashConstant && args.every(isConstant)) return run.apply(this, all);
      const node: Node = {
        kind: 'call',
        helper,
        args,
        options: isHashConstant ? { name, loc, hash } : { name, loc, hash, hashNodes },
      };
      const value = evaluate(node, context);
      if (typeof value === 'string') return tag(node);
      if (typeof value === 'object' || typeof value === 'function') throw new NoMold();
      conditions.push({ node, answer: value });
      return value;
    };
  const choose = (run: Helper): Helper =>
    function chosen(this: unknown, given, ...rest) {
      if (!(given instanceof Tag)) return run.call(this, given, ...rest);
      const value = evaluate(given.node, context);
      const node: Node = { kind: 'call', helper: 'not', args: [given.node], options: NO_OPTIONS };
      conditions.push({ node, answer: !value });
      return run.call(this, value, ...rest);
    };
  const walk = (run: Helper): Helper =>
    function walked(this: unknown, given, ...rest) {
      if (given instanceof Tag) throw new NoMold();
      return run.call(this, given, ...rest);
    };
  const helpers: Record<string, Helper> = {};
  for (const [name, { run }] of Object.entries(HELPERS)) {
    const own = builtIn[name];
    if (run !== undefined) helpers[name] = call(name, run);
    else if (own !== undefined) helpers[name] = name === 'if' || name === 'unless' ? choose(own) : walk(own);
  }
  try {
    return moldOf(render(tagged, helpers), nodes, conditions);
  } catch {
    // Whatever it was: Handlebars says it with its place, when it renders the machine's own context.
    return undefined;
  }
}

const NO_OPTIONS: CallOptions = { name: 'not', hash: {}, loc: { start: { line: 1, column: 0 } } };

function moldOf(text: string, nodes: readonly Node[], conditions: Mold['conditions']): Mold | undefined {
  // Constant piece, number, margin, constant piece, …
  const parts = text.split(MARK);
  const pieces: string[] = [];
  const values: MoldValue[] = [];
  for (let at = 0; at < parts.length; at += 3) {
    const piece = parts[at] ?? '';
    if (OF_MARKS.test(piece) || piece.includes('[object Object]')) return undefined;
    pieces.push(piece);
    if (at + 1 === parts.length) break;
    const node = nodes[Number(parts[at + 1])];
    if (node === undefined) return undefined;
    values.push({ node, margin: parts[at + 2] ?? '' });
  }
  return { pieces, values, conditions };
}

/** Whether the mold is one for this machine. */
export function fits({ conditions }: Mold, context: TemplateContext): boolean {
  return conditions.every(({ node, answer }) => evaluate(node, context) === answer);
}

/** The text of a machine that the mold fits; undefined where Handlebars has to be asked, which may say what is wrong. */
export function fillMold({ pieces, values }: Mold, context: TemplateContext): string | undefined {
  let text = pieces[0] ?? '';
  for (let at = 0; at < values.length; at++) {
    const { node, margin } = values[at] as MoldValue;
    const value = evaluate(node, context);
    if (typeof value !== 'string') return undefined;
    // A partial's last line that is empty has no margin; whether this is its last is not known.
    if (margin !== '' && value === '' && (text === margin || text.endsWith(`\n${margin}`))) return undefined;
    if (margin !== '' && value.includes('\n')) {
      // Whether a partial that ends here has a last line to move is not known.
      if (value.endsWith('\n')) return undefined;
      text += value.replaceAll('\n', `\n${margin}`);
    } else text += value;
    text += pieces[at + 1];
  }
  // What a machine says of itself may look like a mistake of the template.
  return text.includes('[object Object]') ? undefined : text;
}

/** Throws what a helper throws. */
function evaluate(node: Node, context: TemplateContext): unknown {
  switch (node.kind) {
    case 'constant':
      return node.value;
    case 'path': {
      let value: unknown = context;
      for (const key of node.path) value = (value as Readonly<Record<string | number, unknown>>)[key];
      return value;
    }
    case 'call': {
      const { hashNodes } = node.options;
      const options =
        hashNodes === undefined
          ? node.options
          : {
              ...node.options,
              hash: Object.fromEntries(
                Object.entries(hashNodes).map(([key, one]) => [key, evaluate(one, context)]),
              ),
            };
      return HELPERS[node.helper]?.run?.(...node.args.map((one) => evaluate(one, context)), options);
    }
  }
}

function holdsTag(given: unknown, containers: ReadonlyMap<object, ContextPath>): boolean {
  if (given instanceof Tag) return true;
  if (typeof given !== 'object' || given === null) return false;
  return containers.has(given) || Object.values(given).some((value) => holdsTag(value, containers));
}
