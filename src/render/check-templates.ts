import { type Problem, TinderboxError } from '../errors.ts';
import type { Partials, Role, TemplateSource } from '../machine/role.ts';
import { suggestName } from './suggest-name.ts';
import {
  argumentsOf,
  callOf,
  callOfStatement,
  type PartialCall,
  partialOfStatement,
  type TemplateCall,
} from './template-ast.ts';
import { parseTemplate, templateProblem } from './template-engine.ts';
import { HELPERS } from './template-helpers.ts';
import {
  isKnown,
  knownNames,
  LEAF,
  memberOf,
  rootShape,
  type Shape,
  type Unknown,
} from './template-shape.ts';

/**
 * What can be known to be wrong with a role's templates before any machine asks: text that does not parse, variables
 * that no machine has, helpers and partials that do not exist. Every template of the role, all problems at once.
 */
export function checkRoleTemplates(role: Role): readonly Problem[] {
  const root = rootShape(role.parameters);
  const { boot, config, partials } = role;
  const sources = boot.kind === 'kernel' ? [boot.kernel, ...boot.initrd, ...boot.cmdline] : [];
  if (config !== undefined) sources.push(config.template, ...(config.files?.values() ?? []));
  return sources.flatMap((source) => checkTemplate(source, root, partials));
}

/** What is seen at one place of a template. */
interface Scope {
  /** The innermost context first: `this`, then `../`. */
  readonly contexts: readonly (Shape | Unknown)[];
  readonly blockParams: ReadonlyMap<string, Shape | Unknown>;
  readonly root: Shape;
}

interface Check {
  readonly source: TemplateSource;
  readonly problems: Problem[];
  readonly partials: Partials;
  /** The partials that are being checked, outermost first. */
  readonly within: readonly string[];
}

function checkTemplate(source: TemplateSource, root: Shape, partials: Partials): readonly Problem[] {
  const check: Check = { source, problems: [], partials, within: [] };
  checkText(check, { contexts: [root], blockParams: new Map(), root });
  return check.problems;
}

function checkText(check: Check, scope: Scope): void {
  try {
    checkProgram(check, parseTemplate(check.source), scope);
  } catch (thrown) {
    if (!(thrown instanceof TinderboxError)) throw thrown;
    check.problems.push(...thrown.problems);
  }
}

function checkProgram(check: Check, program: hbs.AST.Program | undefined, scope: Scope): void {
  for (const statement of program?.body ?? []) {
    const call = callOfStatement(statement);
    if (call !== undefined) checkCall(check, call, scope);
    if (statement.type === 'BlockStatement') checkBlock(check, statement as hbs.AST.BlockStatement, scope);
    const partial = partialOfStatement(statement);
    if (partial !== undefined) checkPartial(check, partial, scope);
    const unsupported = UNSUPPORTED[statement.type];
    if (unsupported !== undefined) complain(check, statement.loc, unsupported.message, unsupported.remedy);
  }
}

const UNSUPPORTED: {
  readonly [type: string]: { readonly message: string; readonly remedy: string } | undefined;
} = {
  PartialBlockStatement: { message: 'there are no partial blocks', remedy: 'write {{> name}}' },
  Decorator: { message: 'there are no decorators', remedy: 'remove the *' },
  DecoratorBlock: { message: 'there are no inline partials', remedy: 'write the text where it is wanted' },
};

/** A partial sees what stands where it is called, and the values that the call gives besides; no block parameters. */
function checkPartial(check: Check, { name, params, hash, loc }: PartialCall, scope: Scope): void {
  const given = hash?.pairs ?? [];
  for (const { value } of given) checkExpression(check, value, scope);
  if (name === undefined || params.length > 0) {
    complain(check, loc, 'a partial is not called like this', 'write {{> name key=value}}');
    return;
  }
  const source = check.partials.get(name);
  if (source === undefined) {
    const remedy = suggestName(name, [...check.partials.keys()]);
    complain(check, loc, `there is no partial \`${name}\``, remedy ?? 'put it into profiles/partials');
    return;
  }
  if (check.within.includes(name)) {
    complain(check, loc, `the partial \`${name}\` calls itself (${[...check.within, name].join(' > ')})`);
    return;
  }
  const [here, ...outer] = scope.contexts;
  const members = Object.fromEntries(
    given.map(({ key, value }) => [key, shapeOf(value, scope) ?? undefined]),
  );
  const inner: Shape | Unknown =
    here?.kind === 'map' ? { kind: 'map', members: { ...here.members, ...members } } : here;
  const root = scope.root;
  checkText(
    { ...check, source, within: [...check.within, name] },
    { contexts: [inner, ...outer], blockParams: new Map(), root },
  );
}

function checkCall(check: Check, call: TemplateCall, scope: Scope): void {
  const { path, name, params, kind } = call;
  const helper = Object.hasOwn(HELPERS, name) ? HELPERS[name] : undefined;
  const hasArguments = argumentsOf(call).length > 0;
  if (helper === undefined && (hasArguments || kind !== 'mustache')) {
    const remedy =
      kind === 'block' && !hasArguments
        ? `write {{#if ${name}}} or {{#each ${name}}}`
        : suggestName(name, Object.keys(HELPERS));
    complain(check, path.loc, `there is no helper \`${name}\``, remedy);
  } else if (helper === undefined) {
    checkExpression(check, path, scope);
  } else if (
    (helper.kind === 'block') !== (kind === 'block') ||
    params.length < helper.least ||
    params.length > helper.most
  ) {
    complain(check, path.loc, `\`${name}\` is not called like this`, `write ${helper.usage}`);
  }
  for (const argument of argumentsOf(call)) checkExpression(check, argument, scope);
}

function checkExpression(check: Check, node: hbs.AST.Expression, scope: Scope): void {
  if (node.type === 'SubExpression')
    checkCall(check, callOf(node as hbs.AST.SubExpression, 'subexpression'), scope);
  if (node.type === 'PathExpression') resolve(check, node as hbs.AST.PathExpression, scope);
}

/** `each` and `with` change what names mean inside them; in an `{{else}}` they mean what they did outside. */
function checkBlock(check: Check, block: hbs.AST.BlockStatement, scope: Scope): void {
  const name = block.path.original;
  const [argument] = block.params;
  // Checked as an argument already: here only its shape is wanted.
  const given = argument === undefined ? undefined : shapeOf(argument, scope);
  const inner = name === 'each' ? elementOf(given) : name === 'with' ? given : undefined;
  const [first, second] = block.program?.blockParams ?? [];
  const blockParams = new Map(scope.blockParams);
  if (first !== undefined) blockParams.set(first, inner);
  if (second !== undefined) blockParams.set(second, LEAF);
  const enters = name === 'each' || name === 'with';
  checkProgram(
    check,
    block.program,
    enters ? { ...scope, contexts: [inner, ...scope.contexts], blockParams } : scope,
  );
  checkProgram(check, block.inverse, scope);
}

function elementOf(list: Shape | Unknown): Shape | Unknown {
  return list?.kind === 'list' ? list.element : undefined;
}

function shapeOf(node: hbs.AST.Expression, scope: Scope): Shape | Unknown {
  if (node.type === 'PathExpression') return resolve(undefined, node as hbs.AST.PathExpression, scope);
  return node.type.endsWith('Literal') ? LEAF : undefined;
}

/** The shape of what a path leads to; complains (if there is someone to complain to) where it leads nowhere. */
function resolve(check: Check | undefined, path: hbs.AST.PathExpression, scope: Scope): Shape | Unknown {
  const names = path.parts.map(String);
  const [first] = names;
  if (path.data) {
    if (first === 'root') return follow(check, path, scope.root, names.slice(1));
    if (!['index', 'key', 'first', 'last'].includes(first ?? '') && check !== undefined) {
      complain(
        check,
        path.loc,
        `there is no \`${path.original}\``,
        'use @root, @index, @key, @first or @last',
      );
    }
    return LEAF;
  }
  if (first !== undefined && path.depth === 0 && !isThis(path) && scope.blockParams.has(first)) {
    return follow(check, path, scope.blockParams.get(first), names.slice(1));
  }
  if (path.depth >= scope.contexts.length) {
    if (check !== undefined) complain(check, path.loc, `\`${path.original}\` leads out of the template`);
    return undefined;
  }
  return follow(check, path, scope.contexts[path.depth], names, scope);
}

function isThis(path: hbs.AST.PathExpression): boolean {
  return /^(this\b|\.)/.test(path.original);
}

function follow(
  check: Check | undefined,
  path: hbs.AST.PathExpression,
  start: Shape | Unknown,
  names: readonly string[],
  scope?: Scope,
): Shape | Unknown {
  let shape = start;
  for (const [index, name] of names.entries()) {
    const next = isKnown(shape, name) ? memberOf(shape, name) : 'nothing';
    if (next !== 'nothing') {
      shape = next;
      continue;
    }
    if (check !== undefined)
      complainOfName(check, path, { shape, name, before: names.slice(0, index), scope });
    return undefined;
  }
  return shape;
}

interface MissingName {
  readonly shape: Shape | Unknown;
  readonly name: string;
  readonly before: readonly string[];
  readonly scope: Scope | undefined;
}

function complainOfName(check: Check, path: hbs.AST.PathExpression, missing: MissingName): void {
  const { shape, name, before, scope } = missing;
  const here = knownNames(shape);
  if (before[0] === 'parameters' && before.length === 1) {
    const nearest = suggestName(name, here);
    const declare = `declare \`${name}\` with a default under \`parameters:\` in role.yaml`;
    complain(
      check,
      path.loc,
      `\`${path.original}\` is no parameter of this role`,
      nearest === undefined ? declare : `${nearest}, or ${declare}`,
    );
    return;
  }
  const isHelper = Object.hasOwn(HELPERS, name) && before.length === 0;
  const outer = scope === undefined ? [] : scope.contexts.flatMap((context) => knownNames(context));
  const inRoot =
    before.length === 0 &&
    scope !== undefined &&
    scope.contexts.length > 1 &&
    knownNames(scope.root).includes(name);
  const remedy = isHelper
    ? `write ${HELPERS[name]?.usage}`
    : inRoot
      ? `inside this block write @root.${name}`
      : suggestName(name, before.length === 0 ? [...here, ...outer] : here);
  complain(check, path.loc, `\`${path.original}\` is not defined`, remedy);
}

function complain(check: Check, loc: hbs.AST.SourceLocation, message: string, remedy?: string): void {
  check.problems.push(templateProblem(check.source, loc.start, message, remedy));
}
