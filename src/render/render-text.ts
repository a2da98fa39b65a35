import type { Problem } from '../errors.ts';
import type { Role, TemplateSource } from '../machine/role.ts';
import type { TemplateContext } from './context.ts';
import type { Mold } from './mold-template.ts';
import { renderMolded } from './template-engine.ts';

/** As it is served. */
export interface RenderedConfig {
  /** Ends with a newline, unless it is empty, as a file may be that the role does not give. */
  readonly body: string;
  readonly contentType: string;
}

/** Where a text stands in what is served. */
export interface TextPlace {
  readonly file: string;
  readonly linesBefore: number;
}

export interface RenderedText {
  readonly body: string;
  /** What it came from, where it did. */
  readonly mold?: Mold;
}

/** A configuration's text as it is served: it ends with a newline, and may be empty but for that. */
export function renderText(role: Role, template: TemplateSource, context: TemplateContext): RenderedText {
  const { text, ...from } = renderMolded(template, context, role.partials);
  return { body: text.endsWith('\n') ? text : `${text}\n`, ...from };
}

/** The problem of a rendered text that has none of the places that a parser knows. */
export function textProblem(file: string, message: string, line = 1, column = 1): Problem {
  return { severity: 'error', file: `${file} (rendered)`, line, column, message };
}
