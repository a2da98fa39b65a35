import type { Admission } from './boot/admit-machine.ts';
import type { BootPlan } from './boot/boot-plan.ts';
import { planBoot } from './boot/plan-boot.ts';
import type { MachineFacts } from './machine/facts.ts';
import type { OnceUses } from './machine/once.ts';
import type { Catalog } from './machine/role.ts';
import type { AdmissionBook, Journal } from './store/port.ts';

export interface AdmitDeps {
  readonly admission: Admission;
  readonly journal: Pick<Journal, 'hostnameHolder'>;
  readonly admissions: AdmissionBook;
  readonly once: OnceUses;
}

/**
 * What a machine that asks is to boot; if a rule with `max` lets it in, its place is taken with the decision, so that
 * no two machines get the last one, and is on disk before the machine hears of it. Rejects with the store's error.
 */
export async function admitByPlan(
  deps: AdmitDeps,
  facts: MachineFacts,
  catalog: Catalog,
  choice?: string,
): Promise<BootPlan> {
  const { admission, journal, admissions, once } = deps;
  const plan = planBoot({
    facts,
    catalog,
    admission,
    places: admissions,
    choice,
    uses: once,
    holderOf: (hostname) => journal.hostnameHolder(hostname),
  });
  if (plan.kind === 'boot' && plan.place !== undefined) await admissions.take(facts.mac, plan.place);
  return plan;
}
