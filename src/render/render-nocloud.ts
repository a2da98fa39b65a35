import { type Problem, TinderboxError } from '../errors.ts';
import type { Role, RoleConfig } from '../machine/role.ts';
import { checkMetaData, checkNetworkConfig } from './check-nocloud-files.ts';
import { checkOnce } from './check-once.ts';
import { checkUserData } from './check-user-data.ts';
import { NOCLOUD_FILES, type NocloudFile } from './config-documents.ts';
import type { TemplateContext } from './context.ts';
import { type RenderedConfig, renderText } from './render-text.ts';

const PLAIN = 'text/plain; charset=utf-8';
const YAML = 'application/yaml; charset=utf-8';

/**
 * What cloud-init's datasource NoCloud fetches: user-data, or the file beside it. Of those that the role does not give, meta-data
 * has a default, and the others are empty: at a 404 cloud-init tries eleven times, a second each, and goes on (its
 * `url_helper.py`); an empty text is to it as none. Throws TinderboxError `invalid-template`, `not-found`.
 */
export function renderNocloud(
  role: Role,
  config: RoleConfig,
  context: TemplateContext,
  file?: string,
): RenderedConfig {
  if (file === undefined) {
    const { template } = config;
    const rendered = renderText(role, template, context);
    const { body } = rendered;
    checkOnce(template, rendered, context, () => checkUserData(body, template.file));
    return { body, contentType: /^#cloud-config\s/.test(body) ? 'text/cloud-config; charset=utf-8' : PLAIN };
  }
  if (!isNocloudFile(file)) {
    throw new TinderboxError('not-found', `role \`${role.name}\` has no file \`${file}\``);
  }
  const contentType = file === 'vendor-data' ? PLAIN : YAML;
  const template = config.files?.get(file);
  if (template === undefined) {
    return { body: file === 'meta-data' ? defaultMetaData(context) : '', contentType };
  }
  const rendered = renderText(role, template, context);
  const { body } = rendered;
  // So that a role can make it depend on a parameter.
  if (body.trim() === '' && file !== 'meta-data') return { body: '', contentType };
  checkOnce(template, rendered, context, () => CHECKS[file](body, template.file));
  return { body, contentType };
}

const CHECKS: Readonly<Record<NocloudFile, (body: string, file: string) => readonly Problem[]>> = {
  'meta-data': checkMetaData,
  'vendor-data': checkUserData,
  'network-config': checkNetworkConfig,
};

function isNocloudFile(name: string): name is NocloudFile {
  return (NOCLOUD_FILES as readonly string[]).includes(name);
}

/** JSON is YAML, whatever a hostname looks like. */
function defaultMetaData({ bootId, machine }: TemplateContext): string {
  return `instance-id: ${JSON.stringify(bootId)}\nlocal-hostname: ${JSON.stringify(machine.hostname)}\n`;
}
