import type { OnceView } from './admin/explain-api.ts';
import { chooseStanding } from './boot/choose-role.ts';
import { judgeOnce } from './boot/judge-once.ts';
import type { MachineFacts } from './machine/facts.ts';
import type { OnceUses } from './machine/once.ts';
import type { Catalog } from './machine/role.ts';

/** Undefined for a machine whose entry has no `once:`. */
export function onceView(catalog: Catalog, facts: MachineFacts, uses: OnceUses): OnceView | undefined {
  const once = judgeOnce(catalog.machines.get(facts.mac), uses);
  if (once === undefined) return undefined;
  const standing = chooseStanding(facts, catalog).role?.name;
  return { ...once, ...(standing === undefined ? {} : { standing }) };
}
