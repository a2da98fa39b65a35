import type { Catalog } from '../machine/role.ts';
import type { RoleChoice } from './choose-role.ts';
import { mergeParameters } from './merge-parameters.ts';

/**
 * Where the machine's role is a menu that offers `choice`: that role, with the parameters that rule and entry give the
 * machine. Else what it was: nobody can become by asking what no menu of theirs offers.
 */
export function chooseFromMenu(chosen: RoleChoice, choice: string | undefined, catalog: Catalog): RoleChoice {
  const { role: menu, rule, entry } = chosen;
  if (menu?.boot.kind !== 'menu' || choice === undefined) return chosen;
  const { choices, default: byDefault, timeout } = menu.boot;
  const offered = choices.find(({ role }) => role === choice);
  const role = offered === undefined ? undefined : catalog.roles.get(offered.role);
  if (offered === undefined || role === undefined) return chosen;
  const how =
    choice === byDefault && timeout !== 'off'
      ? `its default: chosen at the console, or its ${timeout} s were over`
      : 'chosen at the console';
  return {
    ...chosen,
    role,
    parameters: mergeParameters(role.parameters, rule?.parameters ?? {}, entry?.parameters),
    reasons: [...chosen.reasons, `${menu.file}:${offered.line}: the menu offers ${choice}: ${how}`],
  };
}
