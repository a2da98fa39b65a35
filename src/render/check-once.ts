import { maskParameters } from '../boot/mask-secrets.ts';
import { type Problem, TinderboxError } from '../errors.ts';
import type { Parameters, TemplateSource } from '../machine/role.ts';
import { createSkeletonMemory, type SkeletonMemory, skeletonOf } from './config-skeleton.ts';
import type { TemplateContext } from './context.ts';

/** By template: one that was read anew starts from nothing. */
const memories = new WeakMap<TemplateSource, SkeletonMemory>();

/**
 * Checks what a template was rendered to, once for a rack (config-skeleton.ts). Throws TinderboxError
 * `invalid-template` with all problems, and without the values of secret parameters.
 */
export function checkOnce(
  template: TemplateSource,
  body: string,
  context: TemplateContext,
  check: () => readonly Problem[],
): void {
  const skeleton = skeletonOf(body, context);
  const memory = memories.get(template) ?? createSkeletonMemory();
  memories.set(template, memory);
  if (skeleton !== undefined && memory.has(skeleton)) return;
  const problems = check();
  if (problems.length > 0) throw renderedError(problems, context.parameters);
  if (skeleton !== undefined) memory.add(skeleton);
}

/** The parser quotes what it stumbles over, which may be a password: what it says goes to the log and the timeline. */
export function renderedError(found: readonly Problem[], parameters: Parameters): TinderboxError {
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
