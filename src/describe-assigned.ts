import type { AssignedView } from './admin/explain-api.ts';
import { createEntryRevisions } from './catalog/entry-revisions.ts';
import { revisionOf } from './catalog/revision-of.ts';
import { type ExplainSources, planOf } from './explain-machine.ts';
import type { MachineFacts } from './machine/facts.ts';
import type { Mac } from './machine/mac.ts';
import { onceView } from './once-view.ts';

/** What each of these machines boots next, in the time that a page of a list has: nothing is rendered. */
export function createAssigned(
  sources: () => ExplainSources,
): (machines: readonly MachineFacts[]) => Promise<ReadonlyMap<Mac, AssignedView>> {
  const readRevisions = createEntryRevisions();
  return async (machines) => {
    const now = sources();
    const revisions = await readRevisions(
      now.catalog.file,
      machines.map(({ mac }) => mac),
    );
    return new Map(
      machines.map((facts) => {
        const role = assignedRole(now, facts);
        const revision = revisions.get(facts.mac) ?? revisionOf(undefined);
        const once = onceView(now.catalog, facts, now.uses);
        return [
          facts.mac,
          { ...(role === undefined ? {} : { role }), ...(once === undefined ? {} : { once }), revision },
        ];
      }),
    );
  };
}

/** What its entry says, also where it waits with it; what a rule or the default gives, only if it would boot with it. */
function assignedRole(sources: ExplainSources, facts: MachineFacts): string | undefined {
  const entry = sources.catalog.machines.get(facts.mac);
  if (entry?.role !== undefined && entry.once === undefined) return entry.role;
  const plan = planOf(sources, facts);
  return plan.kind === 'boot' ? plan.role.name : entry?.role;
}
