import { haveSameLoaders } from '../boot/choose-loaders.ts';
import { DHCP_FACTS, describeMatch } from '../boot/match-rule.ts';
import type { Problem } from '../errors.ts';
import type { Catalog, Rule } from '../machine/role.ts';

/**
 * A machine's loader is chosen in DHCP, when neither its serial number nor what a person chooses is known. Refused: a
 * rule on what comes later whose role has other loaders than the one that such a machine has until then, and a menu that
 * offers a role with other loaders than its own.
 */
export function checkLoaders(
  catalog: Pick<Catalog, 'roles' | 'rules' | 'defaultRole' | 'file'>,
): readonly Problem[] {
  return [...checkRules(catalog), ...checkChoices(catalog)];
}

function checkRules({
  roles,
  rules,
  defaultRole,
  file,
}: Parameters<typeof checkLoaders>[0]): readonly Problem[] {
  const problems: Problem[] = [];
  for (const [index, rule] of rules.entries()) {
    const late = lateKeys(rule);
    if (late.length === 0) continue;
    const own = roles.get(rule.role);
    const until = [...takersUntil(rule, rules.slice(index + 1)), undefined];
    const ends = until.findIndex((next) => next === undefined || isForAll(next));
    const other = until
      .slice(0, ends + 1)
      .map((next) =>
        next === undefined
          ? { role: defaultRole, where: 'default' }
          : { role: next.role, where: `the rule on line ${next.line}` },
      )
      .find(({ role }) => !haveSameLoaders(own, role === null ? undefined : roles.get(role)));
    if (other === undefined) continue;
    problems.push({
      severity: 'error',
      file,
      line: rule.line,
      message: `the role ${rule.role} has other loaders than ${other.role ?? 'no role'} (${other.where}), and ${late.join(', ')} of this rule (${describeMatch(rule.match)}) is not known in DHCP, when the loader is chosen`,
      remedy: `Match by ${DHCP_FACTS.join(', ')}, give the machines entries by MAC, or give both roles the same loaders.`,
    });
  }
  return problems;
}

function checkChoices({ roles }: Parameters<typeof checkLoaders>[0]): readonly Problem[] {
  return [...roles.values()].flatMap((menu) => {
    if (menu.boot.kind !== 'menu') return [];
    return menu.boot.choices.flatMap(({ role, line }): Problem[] => {
      const offered = roles.get(role);
      if (offered === undefined || haveSameLoaders(menu, offered)) return [];
      return [
        {
          severity: 'error',
          file: menu.file,
          line,
          message: `the menu offers ${role}, which has other loaders: whoever sees the menu has its loader already`,
          remedy: `Give ${menu.name} the same loaders (or secureBoot) as ${role}.`,
        },
      ];
    });
  });
}

function lateKeys(rule: Rule): readonly string[] {
  return Object.keys(rule.match).filter((key) => !(DHCP_FACTS as readonly string[]).includes(key));
}

/** The later rules that may take a machine of this one while its late facts are not known. */
function takersUntil(rule: Rule, later: readonly Rule[]): readonly Rule[] {
  return later.filter(
    ({ match }) =>
      lateKeys({ ...rule, match }).length === 0 &&
      !areDifferent(match.arch, rule.match.arch) &&
      !areDifferent(match.relay, rule.match.relay),
  );
}

function areDifferent(one: unknown, other: unknown): boolean {
  return one !== undefined && other !== undefined && one !== other;
}

function isForAll({ match }: Rule): boolean {
  return Object.keys(match).length === 0;
}
