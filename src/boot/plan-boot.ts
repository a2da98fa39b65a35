import type { MachineFacts } from '../machine/facts.ts';
import type { Mac } from '../machine/mac.ts';
import type { OnceUses } from '../machine/once.ts';
import type { Catalog, MachineEntry } from '../machine/role.ts';
import { type Admission, type AdmissionPlaces, admitMachine } from './admit-machine.ts';
import type { BootPlan } from './boot-plan.ts';
import { chooseFromMenu } from './choose-from-menu.ts';
import { chooseHostname } from './choose-hostname.ts';
import { chooseRole, type RoleChoice } from './choose-role.ts';
import { spentMessage } from './judge-once.ts';

export interface PlanInput {
  readonly facts: MachineFacts;
  readonly catalog: Catalog;
  readonly admission: Admission;
  readonly places: AdmissionPlaces;
  /** What a person is said to have chosen at its console: heeded where its role is a menu that offers it. */
  readonly choice?: string | undefined;
  /** What became of the `once:` of entries. */
  readonly uses: OnceUses;
  /** The machine that boots, or last booted, under a hostname. */
  readonly holderOf: (hostname: string) => Mac | undefined;
}

/** What the machine that asks at `/ipxe` is to boot. */
export function planBoot({ facts, catalog, admission, places, choice, uses, holderOf }: PlanInput): BootPlan {
  const { mac } = facts;
  const chosen = chooseFromMenu(chooseRole(facts, catalog, uses), choice, catalog);
  const { entry, rule, once } = chosen;
  const { admitted, place, ...why } = admitMachine({ admission, mac, entry, rule, places });
  const reasons = [...why.reasons, ...chosen.reasons];
  if (admitted === 'waits') {
    const message = `This machine waits for approval: ${approval(chosen, mac)}`;
    return { kind: 'wait', message, reasons };
  }
  if (admitted === 'no') {
    const message = `This machine is not listed in machines.yaml: tinderbox assign ${mac} ROLE`;
    return { kind: 'refuse', message, reasons };
  }
  if (chosen.role === undefined) {
    return { kind: 'refuse', message: `This machine has no role: tinderbox assign ${mac} ROLE`, reasons };
  }
  // Not as one that waits for approval: it stalls, and its diagnosis says why.
  if (once?.state === 'spent') return { kind: 'refuse', message: spentMessage(once, mac), reasons };
  if (chosen.role.boot.kind === 'hold') {
    const message = `This machine waits (role ${chosen.role.name}): ${approval(chosen, mac)}`;
    return { kind: 'wait', message, reasons };
  }
  const holder = entry === undefined ? undefined : whoHoldsNameOf(entry, catalog, holderOf);
  if (entry?.hostname !== undefined && holder !== undefined) {
    return {
      kind: 'refuse',
      message: `Two machines claim the hostname ${entry.hostname}: ${mac}, and ${holder}, which last booted under it. ${waysOut(holder)}`,
      reasons: [
        ...reasons,
        `${catalog.file}:${entry.line} gives ${mac} the hostname ${entry.hostname}, under which ${holder} last booted`,
      ],
      holder,
    };
  }
  const isTaken = (name: string): boolean =>
    (catalog.hostnames.get(name) ?? mac) !== mac || (holderOf(name) ?? mac) !== mac;
  return {
    kind: 'boot',
    role: chosen.role,
    hostname: entry?.hostname ?? chooseHostname(mac, isTaken),
    ...(entry?.address === undefined ? {} : { address: entry.address }),
    parameters: chosen.parameters,
    ...(once === undefined || once.state === 'used' ? {} : { once: once.role }),
    ...(place === undefined ? {} : { place }),
    reasons,
  };
}

/**
 * The other machine that has the hostname of this entry: it last booted under it, and machines.yaml has given it no
 * other one since. A Node's name must be that of one machine.
 */
function whoHoldsNameOf(
  { mac, hostname }: MachineEntry,
  catalog: Catalog,
  holderOf: PlanInput['holderOf'],
): Mac | undefined {
  const holder = hostname === undefined ? undefined : holderOf(hostname);
  if (holder === undefined || holder === mac) return undefined;
  return catalog.machines.get(holder)?.hostname === undefined ? holder : undefined;
}

function waysOut(holder: Mac): string {
  return `Give ${holder} another hostname in machines.yaml, or: tinderbox forget ${holder}`;
}

/** Approval alone is enough only where the rules or the default then give a role that boots. */
function approval({ role }: RoleChoice, mac: Mac): string {
  const boots = role !== undefined && role.boot.kind !== 'hold';
  return `tinderbox approve ${mac}${boots ? '' : ' --role ROLE'}`;
}
