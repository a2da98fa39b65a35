import type { Labels } from '../machine/facts.ts';
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
    // At most ten conditions, so at most 1,024 subsets: cheaper than comparing with each earlier rule of a long file.
    const by = subsetsOf(conditions)
      .map((subset) => earlier.get(subset.join('\n')))
      .find((found) => found !== undefined);
    if (by !== undefined) shadowed.push({ rule, by });
    else earlier.set(conditions.join('\n'), rule);
  }
  return shadowed;
}

function conditionsOf(rule: Rule): string[] {
  const { labels, ...rest } = rule.match;
  return (
    Object.entries(rest)
      .map(([key, value]) => `${key}=${JSON.stringify(value).toLowerCase()}`)
      // One condition together: each by itself would double the subsets.
      .concat(labels === undefined ? [] : [`labels=${labelsText(labels)}`])
      .toSorted()
  );
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => JSON.stringify([name, value.toLowerCase()]));
  return pairs.toSorted().join();
}

function subsetsOf(items: readonly string[]): string[][] {
  return items.reduce<string[][]>(
    (subsets, item) => subsets.flatMap((subset) => [subset, [...subset, item]]),
    [[]],
  );
}
