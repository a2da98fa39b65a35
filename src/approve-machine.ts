import { NO_PLACES } from './boot/admit-machine.ts';
import { chooseRole } from './boot/choose-role.ts';
import { planBoot } from './boot/plan-boot.ts';
import { assignInProfiles } from './catalog/assign-in-profiles.ts';
import type { MachineChange } from './catalog/edit-machines.ts';
import type { Config } from './config/port.ts';
import { TinderboxError } from './errors.ts';
import type { MachineFacts } from './machine/facts.ts';
import type { Mac } from './machine/mac.ts';
import type { OnceUses } from './machine/once.ts';
import type { Catalog } from './machine/role.ts';
import type { NetworkInterface } from './net/port.ts';
import { catalogCheck } from './preflight.ts';
import { checkRoleTemplates } from './render/check-templates.ts';

export interface ApproveOptions extends MachineChange {
  readonly config: Config;
  readonly interfaces: readonly NetworkInterface[];
  /** As in EditOptions. */
  readonly file?: string;
  readonly mac: Mac;
  /** As in AssignOptions. */
  readonly revision?: string;
  /** Undefined for a machine that was never seen: then only what its MAC decides is known. */
  readonly facts: MachineFacts | undefined;
  readonly uses: OnceUses;
  /** The machine that boots, or last booted, under a hostname. */
  readonly holderOf: (hostname: string) => Mac | undefined;
}

export interface Approved {
  /** What it will boot: its entry's role, or what the rules and the default give. */
  readonly role: string;
  readonly hostname: string;
  /** The role that its entry had. */
  readonly before?: string;
  readonly changed: boolean;
}

/**
 * Lets a machine in: gives it an entry in machines.yaml. Throws TinderboxError `refused`, and writes nothing, where it
 * would not boot all the same: without a role, with one that holds it, or with a hostname that another machine has;
 * and as `editInProfiles` does.
 */
export async function approveMachine(options: ApproveOptions): Promise<Approved> {
  const { config, interfaces, mac, facts = { mac }, uses, holderOf } = options;
  let planned: Pick<Approved, 'role' | 'hostname'> | undefined;
  const { role, hostname, address, file, revision } = options;
  const { changed, before } = await assignInProfiles({
    dir: config.paths.profiles,
    ...(file === undefined ? {} : { file }),
    mac,
    ...(role === undefined ? {} : { role }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(address === undefined ? {} : { address }),
    ...(revision === undefined ? {} : { revision }),
    checkRole: checkRoleTemplates,
    checkCatalog: catalogCheck(config, interfaces),
    accept(catalog) {
      refuseIfHeld(facts, catalog, uses);
      const plan = planBoot({ facts, catalog, admission: 'listed', places: NO_PLACES, uses, holderOf });
      if (plan.kind !== 'boot') throw new TinderboxError('refused', plan.message);
      planned = { role: plan.role.name, hostname: plan.hostname };
    },
  });
  if (planned === undefined) throw new TypeError('an edit that nobody accepted was written');
  return { ...planned, ...(before === undefined ? {} : { before }), changed };
}

function refuseIfHeld(facts: MachineFacts, catalog: Catalog, uses: OnceUses): void {
  const { role, reasons } = chooseRole(facts, catalog, uses);
  if (role !== undefined && role.boot.kind !== 'hold') return;
  const what = role === undefined ? 'has no role' : `would go on waiting with the role ${role.name}`;
  const roles = [...catalog.roles.values()].filter(({ boot }) => boot.kind !== 'hold');
  throw new TinderboxError('refused', `${facts.mac} ${what}: ${reasons.join('; ')}`, {
    remedy: `Say what it is to be: tinderbox approve ${facts.mac} --role ROLE (${roles.map(({ name }) => name).join(', ')}).`,
  });
}
