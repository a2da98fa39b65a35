/** A place where a template asks for a value or calls a helper: `{{…}}`, `(…)` or `{{#…}}`. */
export interface TemplateCall {
  readonly path: hbs.AST.PathExpression;
  /** What is called or asked for. */
  readonly name: string;
  readonly params: readonly hbs.AST.Expression[];
  readonly hash: hbs.AST.Hash | undefined;
  readonly loc: hbs.AST.SourceLocation;
  readonly kind: 'mustache' | 'block' | 'subexpression';
}

/** A call of a partial: `{{> name key=value}}`. */
export interface PartialCall {
  /** Undefined for `{{> (expression)}}`. */
  readonly name: string | undefined;
  readonly params: readonly hbs.AST.Expression[];
  readonly hash: hbs.AST.Hash | undefined;
  readonly loc: hbs.AST.SourceLocation;
}

export function partialOfStatement(statement: hbs.AST.Statement): PartialCall | undefined {
  if (statement.type !== 'PartialStatement') return undefined;
  const { name, params, hash, loc } = statement as hbs.AST.PartialStatement;
  const literal = name.type === 'PathExpression' ? name.original : undefined;
  return { name: literal, params, hash, loc };
}

/** Every call of a partial, in blocks too. */
export function* partialsOf(program: hbs.AST.Program | undefined): Generator<PartialCall> {
  for (const statement of program?.body ?? []) {
    const partial = partialOfStatement(statement);
    if (partial !== undefined) yield partial;
    if (statement.type !== 'BlockStatement') continue;
    yield* partialsOf((statement as hbs.AST.BlockStatement).program);
    yield* partialsOf((statement as hbs.AST.BlockStatement).inverse);
  }
}

/** Every call of a template, outer ones before those inside them. Literals and comments call nothing. */
export function* callsOf(program: hbs.AST.Program | undefined): Generator<TemplateCall> {
  for (const statement of program?.body ?? []) {
    const partial = partialOfStatement(statement);
    if (partial !== undefined) yield* callsInArguments(partial);
    const call = callOfStatement(statement);
    if (call === undefined) continue;
    yield call;
    yield* callsInArguments(call);
    if (call.kind === 'block') {
      const block = statement as hbs.AST.BlockStatement;
      yield* callsOf(block.program);
      yield* callsOf(block.inverse);
    }
  }
}

/** The calls among the arguments of a call, and among theirs. */
export function* callsInArguments(call: Pick<TemplateCall, 'params' | 'hash'>): Generator<TemplateCall> {
  for (const argument of argumentsOf(call)) {
    if (argument.type !== 'SubExpression') continue;
    const inner = callOf(argument as hbs.AST.SubExpression, 'subexpression');
    yield inner;
    yield* callsInArguments(inner);
  }
}

export function argumentsOf({
  params,
  hash,
}: Pick<TemplateCall, 'params' | 'hash'>): readonly hbs.AST.Expression[] {
  return [...params, ...(hash?.pairs ?? []).map((pair) => pair.value)];
}

/** Undefined for text, comments, partials, and what templates must not hold (decorators). */
export function callOfStatement(statement: hbs.AST.Statement): TemplateCall | undefined {
  switch (statement.type) {
    case 'MustacheStatement':
      return callOf(statement as hbs.AST.MustacheStatement, 'mustache');
    case 'BlockStatement':
      return callOf(statement as hbs.AST.BlockStatement, 'block');
    default:
      return undefined;
  }
}

export function callOf(
  node: hbs.AST.MustacheStatement | hbs.AST.BlockStatement | hbs.AST.SubExpression,
  kind: TemplateCall['kind'],
): TemplateCall {
  // `{{"text"}}`, `{{1}}` and `{{null 1}}` have a literal where the path stands; Handlebars looks it up as a name.
  const { original } = node.path as { readonly original: string | number | boolean | null | undefined };
  return {
    path: node.path as hbs.AST.PathExpression,
    name: String(original),
    params: node.params,
    hash: node.hash,
    loc: node.loc,
    kind,
  };
}
