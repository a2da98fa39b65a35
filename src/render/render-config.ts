import { TinderboxError } from '../errors.ts';
import type { Role } from '../machine/role.ts';
import { configDocuments } from './config-documents.ts';
import { type TemplateContext, withoutKeys } from './context.ts';
import { renderCloudConfig } from './render-cloud-config.ts';
import { renderDescription } from './render-description.ts';
import { renderIgnitionConfig } from './render-ignition.ts';
import { renderNocloud } from './render-nocloud.ts';
import { renderRaw } from './render-raw.ts';
import type { RenderedConfig } from './render-text.ts';

/**
 * A machine's configuration as it is served: rendered, parsed back and checked. `file` is one of those beside the main
 * document (config-documents.ts). Throws TinderboxError: `invalid-template` where it does not render or is not sound
 * (every problem, with its line of the rendered text), `not-found` for a role without a configuration or such a file.
 */
export function renderConfig(role: Role, context: TemplateContext, file?: string): RenderedConfig {
  const { config } = role;
  if (config === undefined) {
    throw new TinderboxError('not-found', `role \`${role.name}\` has no configuration`, {
      remedy: `add \`config:\` to ${role.file}, or remove {{configUrl}} from its kernel command line`,
    });
  }
  if (config.isDescription === true && config.format !== 'raw' && file === undefined) {
    return renderDescription(role, config.template, config.format, context);
  }
  switch (config.format) {
    case 'nocloud':
      return renderNocloud(role, config, context, file);
    case 'raw':
      return renderRaw(role, config, context, file);
    case 'cloud-config':
      if (file !== undefined) throw noFile(role, file);
      return renderCloudConfig(role, config, context);
    case 'ignition':
      if (file !== undefined) throw noFile(role, file);
      return renderIgnitionConfig(role, config, context);
  }
}

/** All that a role gives beside the main document: without keys, as it is served. Throws as renderConfig does. */
export function renderConfigFiles(
  role: Role,
  context: TemplateContext,
): readonly (RenderedConfig & { readonly path: string; readonly file: string })[] {
  if (role.config === undefined) return [];
  const open = { ...context, identity: withoutKeys(context.identity) };
  return configDocuments(role.config).flatMap(({ path, file, isGiven }) =>
    file === undefined || !isGiven ? [] : [{ path, file, ...renderConfig(role, open, file) }],
  );
}

function noFile(role: Role, file: string): TinderboxError {
  return new TinderboxError('not-found', `role \`${role.name}\` has no file \`${file}\``);
}
