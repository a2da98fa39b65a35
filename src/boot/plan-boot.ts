import type { MachineFacts } from '../machine/facts.ts';
import type { Catalog } from '../machine/role.ts';
import { type Admission, admitMachine } from './admit-machine.ts';
import type { BootPlan } from './boot-plan.ts';
import { chooseHostname } from './choose-hostname.ts';
import { chooseRole } from './choose-role.ts';

export interface PlanInput {
  readonly facts: MachineFacts;
  readonly catalog: Catalog;
  readonly admission: Admission;
  /** Whether another machine has this hostname, in machines.yaml or by having booted with it. */
  readonly isTaken: (hostname: string) => boolean;
}

/** What the machine that asks at `/ipxe` is to boot. */
export function planBoot({ facts, catalog, admission, isTaken }: PlanInput): BootPlan {
  const chosen = chooseRole(facts, catalog);
  const admitted = admitMachine(admission, chosen.entry);
  const reasons = [...admitted.reasons, ...chosen.reasons];
  if (admitted.admitted === 'waits') {
    return {
      kind: 'wait',
      message: `This machine waits for approval: tinderbox assign ${facts.mac} ROLE`,
      reasons,
    };
  }
  if (admitted.admitted === 'no') {
    return {
      kind: 'refuse',
      message: `This machine is not listed in machines.yaml: tinderbox assign ${facts.mac} ROLE`,
      reasons,
    };
  }
  if (chosen.role === undefined) {
    return {
      kind: 'refuse',
      message: `This machine has no role: tinderbox assign ${facts.mac} ROLE`,
      reasons,
    };
  }
  const given = chosen.entry?.hostname;
  const hostname = given ?? chooseHostname(facts.mac, isTaken);
  return {
    kind: 'boot',
    role: chosen.role,
    hostname,
    ...(chosen.entry?.address === undefined ? {} : { address: chosen.entry.address }),
    parameters: chosen.parameters,
    reasons,
  };
}
