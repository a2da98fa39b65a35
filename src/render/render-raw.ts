import { LineCounter, parseAllDocuments } from 'yaml';
import { parseJson } from '../document/parse-json.ts';
import { type Problem, TinderboxError } from '../errors.ts';
import type { Role, RoleConfig } from '../machine/role.ts';
import { checkOnce } from './check-once.ts';
import type { TemplateContext } from './context.ts';
import { type RenderedConfig, renderText, textProblem } from './render-text.ts';

const PLAIN = 'text/plain; charset=utf-8';

/**
 * Any text: preseed, kickstart, a Talos machine config. Nobody here knows its language, but JSON and YAML are parsed back.
 * Throws TinderboxError `invalid-template` on an empty text, and on one that is not what its media type says;
 * `not-found` for a file that the role does not give.
 */
export function renderRaw(
  role: Role,
  config: RoleConfig,
  context: TemplateContext,
  file?: string,
): RenderedConfig {
  const template = file === undefined ? config.template : config.files?.get(file);
  if (template === undefined) {
    throw new TinderboxError('not-found', `role \`${role.name}\` has no file \`${file}\``);
  }
  const contentType = file === undefined ? (config.contentType ?? PLAIN) : typeByName(file);
  const rendered = renderText(role, template, context);
  const { body } = rendered;
  checkOnce(template, rendered, context, () => checkRaw(body, contentType, template.file));
  return { body, contentType };
}

function typeByName(name: string): string {
  if (name.endsWith('.json')) return 'application/json';
  return /\.ya?ml$/.test(name) ? 'application/yaml; charset=utf-8' : PLAIN;
}

/** All that is wrong with a text of this media type; lines are those of the rendered text. */
export function checkRaw(body: string, contentType: string, file: string): readonly Problem[] {
  if (body.trim() === '') return [textProblem(file, 'the template rendered to nothing')];
  const type = contentType.split(';', 1)[0] ?? '';
  if (/[/+]json$/.test(type)) return checkJson(body, file);
  return /[/+](?:x-)?yaml$/.test(type) ? checkYaml(body, file) : [];
}

/** A key that stands twice is an error, too: readers differ in which of the two counts. */
function checkJson(body: string, file: string): readonly Problem[] {
  const { problems } = parseJson(file, body.trimEnd());
  return problems.map(({ message, line, column }) => textProblem(file, message, line, column));
}

/** One document or several, as Talos has them. */
function checkYaml(body: string, file: string): readonly Problem[] {
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(body, { lineCounter, prettyErrors: false, logLevel: 'silent' });
  if (!Array.isArray(documents) || documents.every(({ contents }) => contents === null)) {
    return [textProblem(file, 'the YAML holds nothing')];
  }
  // Tags (`!reference`) are its reader's business.
  return documents.flatMap(({ errors }) =>
    errors.map(({ message, pos }) => {
      const { line, col } = lineCounter.linePos(pos[0]);
      return textProblem(file, `not YAML: ${message}`, line, col);
    }),
  );
}
