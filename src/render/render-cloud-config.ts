import type { Problem } from '../errors.ts';
import type { Role, RoleConfig } from '../machine/role.ts';
import { checkCloudConfig } from './check-cloud-config.ts';
import { checkOnce } from './check-once.ts';
import type { TemplateContext } from './context.ts';
import { type RenderedConfig, renderText, textProblem } from './render-text.ts';
import { readRenderedYaml } from './rendered-yaml.ts';

/** What coreos-cloudinit reads, parsed back and checked. Throws TinderboxError `invalid-template`. */
export function renderCloudConfig(
  role: Role,
  { template }: RoleConfig,
  context: TemplateContext,
): RenderedConfig {
  const rendered = renderText(role, template, context);
  const { body } = rendered;
  checkOnce(template, rendered, context, () => checkRenderedCloudConfig(body, template.file));
  return { body, contentType: 'text/cloud-config; charset=utf-8' };
}

/** All that is wrong with a rendered cloud-config; lines are those of the rendered text. */
export function checkRenderedCloudConfig(body: string, file: string): readonly Problem[] {
  if (body.split('\n', 1)[0]?.trimEnd() !== '#cloud-config') {
    return [
      textProblem(file, 'the first line is not `#cloud-config`: coreos-cloudinit would not know what it is'),
    ];
  }
  const { value, isMap, problems, problemAt } = readRenderedYaml(body, file, { aliases: false });
  if (problems.length > 0) return problems;
  if (!isMap) return [textProblem(file, 'the cloud-config is empty or no map')];
  return checkCloudConfig(value).map(({ path, message }) => problemAt(path, message));
}
