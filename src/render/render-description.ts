import type { Role, TemplateSource } from '../machine/role.ts';
import { renderedError } from './check-once.ts';
import type { TemplateContext } from './context.ts';
import { convertDescription } from './convert-description.ts';
import type { DescribedFormat } from './description-parts.ts';
import { IGNITION_TYPE } from './render-ignition.ts';
import { type RenderedConfig, renderText } from './render-text.ts';

const TYPES: Readonly<Record<DescribedFormat, string>> = {
  'cloud-config': 'text/cloud-config; charset=utf-8',
  nocloud: 'text/cloud-config; charset=utf-8',
  ignition: IGNITION_TYPE,
};

/**
 * A neutral description as the main document of a dialect. Throws TinderboxError `invalid-template` with every problem,
 * at its line of the rendered description. It is converted for each machine: some milliseconds, as a configuration of
 * that size takes to be parsed once.
 */
export function renderDescription(
  role: Role,
  template: TemplateSource,
  format: DescribedFormat,
  context: TemplateContext,
): RenderedConfig {
  const { body: text } = renderText(role, template, context);
  const { body, problems } = convertDescription(text, `${template.file} (rendered)`, format);
  if (problems.length > 0) throw renderedError(problems, context.parameters);
  return { body, contentType: TYPES[format] };
}
