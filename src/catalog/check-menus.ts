import { nearestWord } from '../document/nearest-word.ts';
import type { Problem } from '../errors.ts';
import type { Role } from '../machine/role.ts';

/**
 * Menus held to the roles that they offer. `names` are the folders, broken ones too. A role that waits would ask again
 * and be shown the menu again; one menu in another would need a way back.
 */
export function checkMenus(roles: ReadonlyMap<string, Role>, names: readonly string[]): readonly Problem[] {
  const problems: Problem[] = [];
  for (const { file, boot } of roles.values()) {
    if (boot.kind !== 'menu') continue;
    for (const { role, line } of boot.choices) {
      const message = whyNotOffered(role, roles, names);
      if (message !== undefined) problems.push({ severity: 'error', message, file, line });
    }
  }
  return problems;
}

function whyNotOffered(
  name: string,
  roles: ReadonlyMap<string, Role>,
  names: readonly string[],
): string | undefined {
  const role = roles.get(name);
  if (role?.boot.kind === 'menu') return `the menu offers ${name}, which is a menu itself`;
  if (role?.boot.kind === 'hold') return `the menu offers ${name}, which boots nothing: it waits`;
  if (role !== undefined || names.includes(name)) return undefined;
  const nearest = nearestWord(name, names);
  return `the menu offers ${name}, but there is no such role${nearest === undefined ? '' : `; did you mean "${nearest}"?`}`;
}

/** A role, and if it is a menu what it offers: what a machine that is given it may boot. */
export function withChoices(name: string, roles: ReadonlyMap<string, Role>): readonly string[] {
  const boot = roles.get(name)?.boot;
  return boot?.kind === 'menu' ? [name, ...boot.choices.map(({ role }) => role)] : [name];
}
