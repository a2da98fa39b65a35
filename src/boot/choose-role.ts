import type { MachineFacts } from '../machine/facts.ts';
import type { OnceUses } from '../machine/once.ts';
import type { Catalog, MachineEntry, Parameters, Role, Rule } from '../machine/role.ts';
import { explainOnce, judgeOnce, type OnceChoice } from './judge-once.ts';
import { describeMatch, ruleMatches } from './match-rule.ts';
import { mergeParameters } from './merge-parameters.ts';

/** The role of a machine, or none, with the reasons. `known`: it has an entry of its own in machines.yaml. */
export interface RoleChoice {
  readonly role: Role | undefined;
  readonly entry: MachineEntry | undefined;
  /** The rule that gave the role. */
  readonly rule?: Rule;
  /** Of its entry. Unless it is used up, it gives the role. */
  readonly once?: OnceChoice;
  /** The role's defaults, overridden by the rule's, overridden by the machine's (mergeParameters). */
  readonly parameters: Parameters;
  readonly reasons: readonly string[];
}

/**
 * An entry by MAC beats every rule; of the rules the first that matches wins; then the default. An entry without a
 * role leaves the role to rules and default, and keeps its hostname, address and parameters. A `once:` that is not used
 * up beats them all, also where it is spent: the machine then waits as that role.
 */
export function chooseRole(facts: MachineFacts, catalog: Catalog, uses: OnceUses): RoleChoice {
  const entry = catalog.machines.get(facts.mac);
  const once = judgeOnce(entry, uses);
  if (once === undefined) return chooseStanding(facts, catalog, entry);
  const said = `${catalog.file}:${entry?.line}: once: ${once.role}: ${explainOnce(once)}`;
  if (once.state !== 'used') return { ...choice(catalog, once.role, entry, {}, [said]), once };
  const standing = chooseStanding(facts, catalog, entry);
  return { ...standing, once, reasons: [said, ...standing.reasons] };
}

/** The role of the machine but for its `once:`. */
export function chooseStanding(
  facts: MachineFacts,
  catalog: Catalog,
  entry: MachineEntry | undefined = catalog.machines.get(facts.mac),
): RoleChoice {
  if (entry?.role !== undefined) {
    const why = `${catalog.file}:${entry.line} gives ${facts.mac} the role ${entry.role}`;
    return choice(catalog, entry.role, entry, {}, [why]);
  }
  const rule = catalog.rules.find((candidate) => ruleMatches(candidate.match, facts));
  if (rule !== undefined) {
    const why = `${catalog.file}:${rule.line}: the rule for ${describeMatch(rule.match)} gives the role ${rule.role}`;
    return { ...choice(catalog, rule.role, entry, rule.parameters, [why]), rule };
  }
  const none = `${facts.mac} has no entry with a role in ${catalog.file}, and no rule matches it`;
  if (catalog.defaultRole === null) {
    return { role: undefined, entry, parameters: {}, reasons: [none, 'default: none'] };
  }
  return choice(catalog, catalog.defaultRole, entry, {}, [none, `default: ${catalog.defaultRole}`]);
}

function choice(
  catalog: Catalog,
  name: string,
  entry: MachineEntry | undefined,
  ruleParameters: Parameters,
  reasons: readonly string[],
): RoleChoice {
  const role = catalog.roles.get(name);
  if (role === undefined) {
    // Validation refuses a catalog that names a role it does not have; total all the same.
    return { role, entry, parameters: {}, reasons: [...reasons, `there is no role ${name}`] };
  }
  const parameters = mergeParameters(role.parameters, ruleParameters, entry?.parameters);
  return { role, entry, parameters, reasons };
}
