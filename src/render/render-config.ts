import { isMap, LineCounter, type Node, parseDocument, type Scalar, visit } from 'yaml';
import { maskParameters } from '../boot/mask-secrets.ts';
import { type Problem, TinderboxError } from '../errors.ts';
import type { Parameters, Role, TemplateSource } from '../machine/role.ts';
import { checkCloudConfig } from './check-cloud-config.ts';
import type { ConfigProblem } from './cloud-config-schema.ts';
import { createSkeletonMemory, type SkeletonMemory, skeletonOf } from './config-skeleton.ts';
import type { TemplateContext } from './context.ts';
import { convertDescription } from './convert-description.ts';
import type { DescribedFormat } from './description-parts.ts';
import { IGNITION_TYPE, renderIgnition } from './render-ignition.ts';
import { renderTemplate } from './template-engine.ts';

export interface RenderedConfig {
  /** Ends with a newline; never empty. */
  readonly body: string;
  readonly contentType: string;
}

/**
 * A machine's configuration as it is served: rendered, parsed back and checked (config-skeleton.ts: once for a rack). Throws TinderboxError:
 * `invalid-template` where it does not render or is no valid cloud-config (every problem, with its line of the
 * rendered text), `not-found` for a role without a configuration.
 */
export function renderConfig(role: Role, context: TemplateContext): RenderedConfig {
  if (role.config === undefined) {
    throw new TinderboxError('not-found', `role \`${role.name}\` has no configuration`, {
      remedy: `add \`config:\` to ${role.file}, or remove {{configUrl}} from its kernel command line`,
    });
  }
  const { format, template, contentType, isDescription } = role.config;
  const text = renderTemplate(template, context, role.partials);
  const body = text.endsWith('\n') ? text : `${text}\n`;
  if (isDescription === true && format !== 'raw') {
    const { body: converted, problems } = convertDescription(body, `${template.file} (rendered)`, format);
    if (problems.length > 0) throw renderedError(problems, context.parameters);
    return { body: converted, contentType: DESCRIBED_TYPES[format] };
  }
  switch (format) {
    case 'ignition': {
      const { body: json, problems } = renderIgnition(body, template.file);
      if (problems.length > 0) throw renderedError(problems, context.parameters);
      return { body: json, contentType: IGNITION_TYPE };
    }
    case 'nocloud':
    case 'raw':
      return { body, contentType: contentType ?? 'text/plain; charset=utf-8' };
    case 'cloud-config': {
      const skeleton = skeletonOf(body, context);
      const memory = memoryOf(template);
      if (skeleton === undefined || !memory.has(skeleton)) {
        const problems = checkRenderedCloudConfig(body, template.file);
        if (problems.length > 0) throw renderedError(problems, context.parameters);
        if (skeleton !== undefined) memory.add(skeleton);
      }
      return { body, contentType: 'text/cloud-config; charset=utf-8' };
    }
  }
}

const DESCRIBED_TYPES: Readonly<Record<DescribedFormat, string>> = {
  'cloud-config': 'text/cloud-config; charset=utf-8',
  nocloud: 'text/cloud-config; charset=utf-8',
  ignition: IGNITION_TYPE,
};

/** By template: one that was read anew starts from nothing. */
const memories = new WeakMap<TemplateSource, SkeletonMemory>();

function memoryOf(template: TemplateSource): SkeletonMemory {
  const known = memories.get(template) ?? createSkeletonMemory();
  memories.set(template, known);
  return known;
}

/** All that is wrong with a rendered cloud-config; lines are those of the rendered text. */
export function checkRenderedCloudConfig(body: string, file: string): readonly Problem[] {
  const rendered = `${file} (rendered)`;
  if (body.split('\n', 1)[0]?.trimEnd() !== '#cloud-config') {
    return [
      {
        severity: 'error',
        file: rendered,
        line: 1,
        column: 1,
        message: 'the first line is not `#cloud-config`: coreos-cloudinit would not know what it is',
      },
    ];
  }
  const lineCounter = new LineCounter();
  // YAML 1.1, as the machine reads it: there `yes` and `0644` are no text, and must be quoted where text is wanted.
  const document = parseDocument(body, {
    version: '1.1',
    lineCounter,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const place = (offset: number) => {
    const { line, col } = lineCounter.linePos(offset);
    return { file: rendered, line, column: col };
  };
  if (document.errors.length > 0 || document.warnings.length > 0) {
    return [...document.errors, ...document.warnings].map(({ message, pos }) => ({
      severity: 'error',
      message: `not YAML: ${message}`,
      ...place(pos[0]),
    }));
  }
  if (!isMap(document.contents)) {
    return [{ severity: 'error', file: rendered, line: 1, message: 'the cloud-config is empty or no map' }];
  }
  const aliases: Problem[] = [];
  visit(document, {
    Alias(_key, { range }) {
      const message = 'an alias (`*name`) is not resolved: text that begins with `*` must be in quotes';
      aliases.push({ severity: 'error', message, ...place(range?.[0] ?? 0) });
    },
  });
  if (aliases.length > 0) return aliases;
  return checkCloudConfig(document.toJS({ maxAliasCount: 0 })).map((problem) => ({
    severity: 'error',
    message: problem.message,
    ...place(offsetOf(document.contents, problem.path)),
  }));
}

/** Where the key of a path begins, or the nearest thing around it that is there. */
function offsetOf(root: unknown, path: ConfigProblem['path']): number {
  let node = root as Node;
  let offset = node.range?.[0] ?? 0;
  for (const part of path) {
    const pair = isMap(node) ? node.items.find(({ key }) => (key as Scalar).value === part) : undefined;
    const next = isMap(node)
      ? pair?.value
      : (node as { readonly items?: readonly unknown[] }).items?.[Number(part)];
    const start = (pair?.key ?? next) as Node | undefined;
    if (start?.range === undefined || start.range === null) return offset;
    offset = start.range[0];
    node = next as Node;
    if (node === null || node === undefined) return offset;
  }
  return offset;
}

/** The parser quotes what it stumbles over, which may be a password: what it says goes to the log and the timeline. */
function renderedError(found: readonly Problem[], parameters: Parameters): TinderboxError {
  const problems = found.map((problem) => ({
    ...problem,
    message: maskParameters(problem.message, parameters),
  }));
  const [first] = problems;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return new TinderboxError(
    'invalid-template',
    `${first?.file}:${first?.line}:${first?.column ?? 1}: ${first?.message}${more}`,
    { problems, remedy: 'look at what is served with `tinderbox render MAC`' },
  );
}
