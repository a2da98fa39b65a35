import type { Mac } from '../machine/mac.ts';
import { type EditOptions, editInProfiles } from './edit-in-profiles.ts';
import { assignRole, type MachineChange } from './edit-machines.ts';

export interface AssignOptions extends MachineChange, EditOptions {
  readonly mac: Mac;
}

export interface Assigned {
  /** The role that the entry had; absent if it had none or there was no entry. */
  readonly before?: string;
  /** The role that it has now; absent if the rules and the default decide. */
  readonly after?: string;
  readonly changed: boolean;
}

/**
 * Writes an assignment into machines.yaml, keeping comments and order; without a field, an entry that says no more
 * than that the machine is known. Throws as `editInProfiles` does.
 */
export async function assignInProfiles(options: AssignOptions): Promise<Assigned> {
  const { mac } = options;
  const { edited, catalog } = await editInProfiles(options, (text) => assignRole(text, mac, options));
  const after = catalog.machines.get(mac)?.role;
  return {
    ...(edited.before === undefined ? {} : { before: edited.before }),
    ...(after === undefined ? {} : { after }),
    changed: edited.changed,
  };
}
