/** A place where a template asks for a value or calls a helper: `{{…}}`, `(…)` or `{{#…}}`. */
export interface TemplateCall {
  readonly path: hbs.AST.PathExpression;
  readonly params: readonly hbs.AST.Expression[];
  readonly hash: hbs.AST.Hash | undefined;
  readonly loc: hbs.AST.SourceLocation;
  readonly kind: 'mustache' | 'block' | 'subexpression';
}

/** Every call of a template, outer ones before those inside them. Literals and comments call nothing. */
export function* callsOf(program: hbs.AST.Program | undefined): Generator<TemplateCall> {
  for (const statement of program?.body ?? []) {
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
export function* callsInArguments(call: TemplateCall): Generator<TemplateCall> {
  for (const argument of argumentsOf(call)) {
    if (argument.type !== 'SubExpression') continue;
    const inner = callOf(argument as hbs.AST.SubExpression, 'subexpression');
    yield inner;
    yield* callsInArguments(inner);
  }
}

export function argumentsOf({ params, hash }: TemplateCall): readonly hbs.AST.Expression[] {
  return [...params, ...(hash?.pairs ?? []).map((pair) => pair.value)];
}

/** Undefined for text, comments and what templates must not hold (partials, decorators). */
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
  // `{{"text"}}` and `{{1}}` have a literal where the path stands; Handlebars looks it up as a name.
  return {
    path: node.path as hbs.AST.PathExpression,
    params: node.params,
    hash: node.hash,
    loc: node.loc,
    kind,
  };
}
