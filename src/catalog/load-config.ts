import type { RoleConfig, TemplateSource } from '../machine/role.ts';
import { readTemplate, type TemplateFault } from './read-template.ts';
import type { RawRole } from './schema.ts';

export interface LoadedConfig {
  /** Absent where the role has none, or it has problems. */
  readonly config?: RoleConfig;
  /** `path` is below `config:`. */
  readonly problems: readonly ({ readonly path: readonly string[] } & TemplateFault)[];
}

const NOCLOUD_FILES: readonly string[] = ['meta-data', 'vendor-data', 'network-config'];

/** Reads the templates of a role's `config:`, and says what in it does not go together. */
export async function loadConfig(folder: string, raw: RawRole['config']): Promise<LoadedConfig> {
  if (raw === undefined) return { problems: [] };
  const { format } = raw;
  const flawed = contradictions(raw);
  if (flawed.length > 0) return { problems: flawed };
  const isDescription = raw.template === undefined;
  const main = await readTemplate(folder, raw.template ?? raw.description ?? '');
  const named = await Promise.all(
    Object.entries(raw.files ?? {}).map(
      async ([name, file]) => [name, await readTemplate(folder, file)] as const,
    ),
  );
  const problems = [
    ...('message' in main ? [{ path: [isDescription ? 'description' : 'template'], ...main }] : []),
    ...named.flatMap(([name, read]) => ('message' in read ? [{ path: ['files', name], ...read }] : [])),
  ];
  if (problems.length > 0 || 'message' in main) return { problems };
  const files = new Map(named.filter((pair): pair is [string, TemplateSource] => 'text' in pair[1]));
  const config: RoleConfig = {
    format,
    template: main,
    ...(isDescription ? { isDescription } : {}),
    ...(files.size === 0 ? {} : { files }),
    ...(raw.contentType === undefined ? {} : { contentType: raw.contentType }),
  };
  return { config, problems: [] };
}

function contradictions(raw: NonNullable<RawRole['config']>): LoadedConfig['problems'] {
  const { format, template, description, files = {}, contentType } = raw;
  const found: LoadedConfig['problems'][number][] = [];
  if ((template === undefined) === (description === undefined)) {
    found.push({
      path: template === undefined ? [] : ['description'],
      message: 'one of `template` and `description` is wanted',
    });
  }
  if (description !== undefined && format === 'raw') {
    found.push({
      path: ['description'],
      message: 'a raw configuration is made by no conversion',
      remedy: 'Write a template.',
    });
  }
  for (const name of Object.keys(files)) {
    if (format === 'raw' || (format === 'nocloud' && NOCLOUD_FILES.includes(name))) continue;
    const allowed = format === 'nocloud' ? NOCLOUD_FILES.join(', ') : 'none';
    found.push({
      path: ['files', name],
      message: `\`${name}\` is no file of ${format}`,
      remedy: `Allowed: ${allowed}.`,
    });
  }
  if (contentType !== undefined && format !== 'raw') {
    found.push({
      path: ['contentType'],
      message: `the media type of ${format} is fixed`,
      remedy: 'Remove it.',
    });
  }
  return found;
}
