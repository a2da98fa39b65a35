import { maskParameters } from '../boot/mask-secrets.ts';
import { type Problem, TinderboxError } from '../errors.ts';
import type { Parameters, TemplateSource } from '../machine/role.ts';
import { createSkeletonMemory, type SkeletonMemory, skeletonOf } from './config-skeleton.ts';
import type { TemplateContext } from './context.ts';
import type { Mold } from './mold-template.ts';
import { verdictKeyOf } from './mold-verdict.ts';
import type { RenderedText } from './render-text.ts';

/** By template: one that was read anew starts from nothing. */
const memories = new WeakMap<TemplateSource, SkeletonMemory>();
/** What passed, by mold; the keys are few and short (mold-verdict.ts). */
const passed = new WeakMap<Mold, Set<string>>();

/**
 * Checks what a template was rendered to, once for a rack (mold-verdict.ts, config-skeleton.ts). Throws TinderboxError
 * `invalid-template` with all problems, and without the values of secret parameters.
 */
export function checkOnce(
  template: TemplateSource,
  { body, mold }: RenderedText,
  context: TemplateContext,
  check: () => readonly Problem[],
): void {
  const key = mold === undefined ? undefined : verdictKeyOf(mold, context);
  if (mold === undefined || key === undefined) return checkBySkeleton(template, body, context, check);
  if (passed.get(mold)?.has(key) === true) return;
  refuseProblems(check(), context);
  const keys = passed.get(mold) ?? new Set();
  passed.set(mold, keys.add(key));
}

function checkBySkeleton(
  template: TemplateSource,
  body: string,
  context: TemplateContext,
  check: () => readonly Problem[],
): void {
  const skeleton = skeletonOf(body, context);
  const memory = memories.get(template) ?? createSkeletonMemory();
  memories.set(template, memory);
  if (skeleton !== undefined && memory.has(skeleton)) return;
  refuseProblems(check(), context);
  if (skeleton !== undefined) memory.add(skeleton);
}

function refuseProblems(problems: readonly Problem[], { parameters }: TemplateContext): void {
  if (problems.length > 0) throw renderedError(problems, parameters);
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
