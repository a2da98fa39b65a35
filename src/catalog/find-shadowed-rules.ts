import type { Rule } from '../machine/role.ts';

/**
 * Rules that never match, each with the earlier rule that takes all of its machines: one whose conditions are all
 * among its own (the same ones, fewer, or none at all).
 */
export function findShadowedRules(
  rules: readonly Rule[],
): readonly { readonly rule: Rule; readonly by: Rule }[] {
  const earlier = new Map<string, Rule>();
  const shadowed: { rule: Rule; by: Rule }[] = [];
  for (const rule of rules) {
    const conditions = conditionsOf(rule);
    // At most nine conditions, so at most 512 subsets: cheaper than comparing with each earlier rule of a long file.
    const by = subsetsOf(conditions)
      .map((subset) => earlier.get(subset.join('\n')))
      .find((found) => found !== undefined);
    if (by !== undefined) shadowed.push({ rule, by });
    else earlier.set(conditions.join('\n'), rule);
  }
  return shadowed;
}

function conditionsOf(rule: Rule): string[] {
  return Object.entries(rule.match)
    .map(([key, value]) => `${key}=${JSON.stringify(value).toLowerCase()}`)
    .toSorted();
}

function subsetsOf(items: readonly string[]): string[][] {
  return items.reduce<string[][]>(
    (subsets, item) => subsets.flatMap((subset) => [subset, [...subset, item]]),
    [[]],
  );
}
