import type { MachineFacts } from '../machine/facts.ts';
import type { OnceUses } from '../machine/once.ts';
import type { Catalog } from '../machine/role.ts';
import { chooseRole, type RoleChoice } from './choose-role.ts';
import { describeMatch, explainMismatch } from './match-rule.ts';

/** Where a machine's role comes from, and why from nowhere else. */
export interface RoleExplanation {
  readonly choice: RoleChoice;
  readonly from: 'once' | 'entry' | 'rule' | 'default' | 'none';
  /** Of machines.yaml: that of the rule that gives the role, else that of the entry. */
  readonly line?: number;
  readonly reasons: readonly string[];
}

/** Rules that are named one by one; of a longer list the rest is counted. */
const MOST_RULES = 20;

/** As chooseRole decides, with the rules that were asked before and did not match. */
export function explainRole(facts: MachineFacts, catalog: Catalog, uses: OnceUses): RoleExplanation {
  const choice = chooseRole(facts, catalog, uses);
  const { entry, rule, once, reasons } = choice;
  if (once !== undefined && once.state !== 'used')
    return { choice, from: 'once', ...(entry === undefined ? {} : { line: entry.line }), reasons };
  if (entry?.role !== undefined) return { choice, from: 'entry', line: entry.line, reasons };
  const passed = rule === undefined ? catalog.rules : catalog.rules.slice(0, catalog.rules.indexOf(rule));
  const mismatches = passed
    .slice(0, MOST_RULES)
    .map(
      ({ match, line }) =>
        `${catalog.file}:${line}: the rule for ${describeMatch(match)} does not match: ${explainMismatch(match, facts)}`,
    );
  const rest = passed.length - mismatches.length;
  const more = rest > 0 ? [`${rest} more rules do not match`] : [];
  const kept =
    entry === undefined
      ? []
      : [`${catalog.file}:${entry.line} lists ${facts.mac} without a role: rules and default give it`];
  const from = rule !== undefined ? 'rule' : catalog.defaultRole === null ? 'none' : 'default';
  const line = rule?.line ?? entry?.line;
  return {
    choice,
    from,
    ...(line === undefined ? {} : { line }),
    reasons: [...kept, ...mismatches, ...more, ...reasons],
  };
}
