import type { Problem } from '../errors.ts';
import type { Role, RoleConfig } from '../machine/role.ts';
import { renderedError } from './check-once.ts';
import type { TemplateContext } from './context.ts';
import { readIgnition } from './read-ignition.ts';
import { type RenderedConfig, renderText } from './render-text.ts';

/** What Ignition asks for in its Accept header (with the version, then anything else). */
export const IGNITION_TYPE = 'application/vnd.coreos.ignition+json';

export interface RenderedIgnition {
  /** Compact JSON that ends with a newline; '' where there are problems. */
  readonly body: string;
  readonly problems: readonly Problem[];
}

/** A role's configuration for Ignition. Throws TinderboxError `invalid-template`. */
export function renderIgnitionConfig(
  role: Role,
  { template }: RoleConfig,
  context: TemplateContext,
): RenderedConfig {
  const { body, problems } = renderIgnition(renderText(role, template, context).body, template.file);
  if (problems.length > 0) throw renderedError(problems, context.parameters);
  return { body, contentType: IGNITION_TYPE };
}

/** A rendered template, JSON or Butane's YAML, as the JSON that Ignition reads. */
export function renderIgnition(text: string, file: string): RenderedIgnition {
  const { config, problems } = readIgnition(text, `${file} (rendered)`);
  return config === undefined ? { body: '', problems } : { body: compactJson(config), problems };
}

export function compactJson(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
