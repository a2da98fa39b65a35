import Handlebars from 'handlebars';
import { type Problem, TinderboxError } from '../errors.ts';
import type { Partials, TemplateSource } from '../machine/role.ts';
import type { TemplateContext } from './context.ts';
import { createMoldMemory, type MoldMemory } from './mold-memory.ts';
import { type Mold, makeMold } from './mold-template.ts';
import { argumentsOf, callsOf, partialsOf } from './template-ast.ts';
import { HELPERS, HelperError, type TemplatePosition } from './template-helpers.ts';

/** An isolated environment: what another user of Handlebars registers does not reach the roles, nor the reverse. */
const environment = createEnvironment();

const COMPILE_OPTIONS: CompileOptions = {
  strict: true,
  noEscape: true,
  // Calls helpers without looking for a variable of that name first; a call of anything else does not compile.
  knownHelpersOnly: true,
  // `log` writes to the daemon's console, `lookup` gets round what is checked when a role is loaded.
  knownHelpers: {
    ...Object.fromEntries(Object.keys(HELPERS).map((name) => [name, true])),
    log: false,
    lookup: false,
  },
};

/** Given explicitly: Handlebars prints to the console where prototype access is refused by default only. */
const RENDER_OPTIONS: Handlebars.RuntimeOptions = {
  allowProtoMethodsByDefault: false,
  allowProtoPropertiesByDefault: false,
};

type Compiled = Handlebars.TemplateDelegate<TemplateContext>;
const compiled = new WeakMap<TemplateSource, Compiled>();
const runnable = new WeakMap<Partials, Readonly<Record<string, Compiled>>>();

export const NO_PARTIALS: Partials = new Map();

/**
 * Fills in one template. Throws TinderboxError `invalid-template`, with file, line and column where they are known; of
 * a partial they are those in the partial.
 */
export function renderTemplate(
  source: TemplateSource,
  context: TemplateContext,
  partials: Partials = NO_PARTIALS,
): string {
  return renderMolded(source, context, partials).text;
}

/** The same, with the mold that the text came from, or that fits it, where there is one. Throws as renderTemplate does. */
export function renderMolded(
  source: TemplateSource,
  context: TemplateContext,
  partials: Partials = NO_PARTIALS,
): { readonly text: string; readonly mold?: Mold } {
  return moldsOf(source, partials).render(context, {
    render: () => renderWhole(source, context, partials),
    makeMold: () =>
      makeMold(context, environment.helpers as Parameters<typeof makeMold>[1], (tagged, helpers) =>
        compileTemplate(source)(tagged, {
          ...RENDER_OPTIONS,
          partials: runnablePartials(partials),
          helpers: helpers,
        }),
      ),
  });
}

/** By source: the catalog makes new ones for what it reads anew. */
const molds = new WeakMap<TemplateSource, { readonly partials: Partials; readonly memory: MoldMemory }>();

function moldsOf(source: TemplateSource, partials: Partials): MoldMemory {
  const known = molds.get(source);
  if (known?.partials === partials) return known.memory;
  const memory = createMoldMemory();
  molds.set(source, { partials, memory });
  return memory;
}

function renderWhole(source: TemplateSource, context: TemplateContext, partials: Partials): string {
  const template = compileTemplate(source);
  let text: string;
  try {
    text = template(context, { ...RENDER_OPTIONS, partials: runnablePartials(partials) });
  } catch (thrown) {
    throw renderError(source, context, thrown);
  }
  if (text.includes('[object Object]')) {
    throw templateError(
      templateProblem(source, undefined, 'a map was written as text', 'write it with {{json …}}'),
    );
  }
  return text;
}

/** What Handlebars calls at `{{> name}}`; each says by itself where in its own text it failed. */
function runnablePartials(partials: Partials): Readonly<Record<string, Compiled>> {
  const known = runnable.get(partials);
  if (known !== undefined) return known;
  const made = Object.fromEntries(
    [...partials].map(([name, source]): [string, Compiled] => [
      name,
      (context, options) => {
        try {
          return compileTemplate(source)(context, options);
        } catch (thrown) {
          throw renderError(source, context, thrown);
        }
      },
    ]),
  );
  runnable.set(partials, made);
  return made;
}

/** Parses a template. Throws TinderboxError `invalid-template` with the place where the text stops making sense. */
export function parseTemplate(source: TemplateSource): hbs.AST.Program {
  try {
    return environment.parse(source.text);
  } catch (thrown) {
    throw parseError(source, thrown);
  }
}

/** Compiled once per source: the catalog makes a new source for each file it reads. */
function compileTemplate(source: TemplateSource): Compiled {
  const known = compiled.get(source);
  if (known !== undefined) return known;
  const program = parseTemplate(source);
  makeArgumentsStrict(program);
  const template = environment.compile<TemplateContext>(program, COMPILE_OPTIONS);
  compiled.set(source, template);
  return template;
}

/** A problem of a template, with its place in the file that the template came from. */
export function templateProblem(
  source: TemplateSource,
  position: TemplatePosition | undefined,
  message: string,
  remedy?: string,
): Problem {
  const firstLine = position?.line === 1;
  return {
    severity: 'error',
    message,
    file: source.file,
    ...(position === undefined
      ? source.line > 1
        ? { line: source.line }
        : {}
      : {
          line: source.line + position.line - 1,
          column: position.column + (firstLine ? (source.column ?? 1) : 1),
        }),
    ...(remedy === undefined ? {} : { remedy }),
  };
}

/** The error for one problem: its message begins with `file:line:column`. */
export function templateError(problem: Problem, cause?: unknown): TinderboxError {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(':');
  return new TinderboxError('invalid-template', `${place}: ${problem.message}`, {
    problems: [problem],
    ...(problem.remedy === undefined ? {} : { remedy: problem.remedy }),
    ...(cause === undefined ? {} : { cause }),
  });
}

function createEnvironment(): typeof Handlebars {
  const isolated = Handlebars.create();
  for (const [name, helper] of Object.entries(HELPERS)) {
    if (helper.run !== undefined) isolated.registerHelper(name, helper.run);
  }
  return isolated;
}

/**
 * Handlebars' strict mode does not reach a helper's arguments: `{{indent 4 parameters.typo}}` would see undefined.
 * A path's `strict` flag is what its compiler sets where it does look, so it is set on those arguments as well,
 * but for the helpers whose very purpose is to ask whether something is there.
 */
function makeArgumentsStrict(program: hbs.AST.Program): void {
  for (const call of callsOf(program)) {
    if (HELPERS[call.name]?.asksWhether !== true) argumentsOf(call).forEach(makeStrict);
  }
  for (const partial of partialsOf(program)) argumentsOf(partial).forEach(makeStrict);
}

function makeStrict(argument: hbs.AST.Expression): void {
  const isPath = argument.type === 'PathExpression' && (argument as hbs.AST.PathExpression).parts.length > 0;
  if (isPath) (argument as hbs.AST.PathExpression & { strict: boolean }).strict = true;
}

function renderError(source: TemplateSource, context: TemplateContext, thrown: unknown): TinderboxError {
  // A partial has said where.
  if (thrown instanceof TinderboxError) return thrown;
  if (thrown instanceof HelperError) {
    return templateError(templateProblem(source, thrown.position, thrown.message), thrown);
  }
  const { message, lineNumber, column } = thrown as Handlebars.Exception;
  const position = typeof lineNumber === 'number' ? { line: lineNumber, column: Number(column) } : undefined;
  const unknown = /used the unknown helper (.*?)(?: - \d+:\d+)?$/.exec(message)?.[1];
  if (unknown !== undefined) {
    return templateError(templateProblem(source, position, `there is no helper \`${unknown}\``), thrown);
  }
  const missing = /^"(.*)" not defined in /s.exec(message)?.[1];
  if (missing === undefined) {
    const onTheWay = /^Cannot read properties of (?:undefined|null) \(reading '(.*)'\)/.exec(message)?.[1];
    const reason = onTheWay === undefined ? message : `\`${onTheWay}\` is asked of a value that is not there`;
    return templateError(templateProblem(source, position, reason), thrown);
  }
  const clusterIsMissing = context.cluster === undefined && usesCluster(source, position);
  return templateError(
    clusterIsMissing
      ? templateProblem(
          source,
          position,
          `\`${missing}\` is asked of the cluster, and tinderbox.yaml has no \`cluster:\` block`,
          'add `cluster:` to tinderbox.yaml, or give the machine a role that needs none',
        )
      : templateProblem(source, position, `\`${missing}\` is not defined`),
    thrown,
  );
}

function usesCluster(source: TemplateSource, position: TemplatePosition | undefined): boolean {
  if (position === undefined) return false;
  return /\bcluster\b/.test((source.text.split('\n')[position.line - 1] ?? '').slice(position.column));
}

/** Handlebars' parser says the line in its message; the column only its lexer knows, where it stopped. */
function parseError(source: TemplateSource, thrown: unknown): TinderboxError {
  const { message, lineNumber, column } = thrown as Handlebars.Exception;
  if (typeof lineNumber === 'number') {
    const text = message.replace(/ - \d+:\d+$/, '');
    return templateError(templateProblem(source, { line: lineNumber, column: Number(column) }, text), thrown);
  }
  const { first_line, first_column } = (environment as unknown as ParserState).Parser.lexer.yylloc;
  const got = /got '([^']*)'$/.exec(message)?.[1] ?? 'something else';
  const reason = PARSER_WORDS[got] ?? `unexpected ${got}`;
  return templateError(
    templateProblem(
      source,
      { line: first_line, column: first_column },
      `the template does not parse: ${reason}`,
    ),
    thrown,
  );
}

interface ParserState {
  readonly Parser: {
    readonly lexer: { readonly yylloc: { readonly first_line: number; readonly first_column: number } };
  };
}

const PARSER_WORDS: { readonly [token: string]: string } = {
  EOF: 'it ends inside a block or an expression; is a {{/if}}, {{/each}} or }} missing?',
  INVALID: 'a character that no expression may hold; is a }} missing?',
  CLOSE: 'an expression ends too early',
  CLOSE_UNESCAPED: 'an expression ends too early',
  OPEN_ENDBLOCK: 'a block is closed that was not opened',
};
