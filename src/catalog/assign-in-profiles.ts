import { TinderboxError } from '../errors.ts';
import type { Mac } from '../machine/mac.ts';
import { type EditOptions, editInProfiles } from './edit-in-profiles.ts';
import { assignRole, type MachineChange } from './edit-machines.ts';
import { entryTextOf } from './read-entry-text.ts';
import { revisionOf } from './revision-of.ts';

export interface AssignOptions extends MachineChange, EditOptions {
  readonly mac: Mac;
  /** Of the entry that whoever asks has read (`revisionOf`); absent: whatever it is. */
  readonly revision?: string;
}

export interface Assigned {
  /** The role that the entry had; absent if it had none or there was no entry. */
  readonly before?: string;
  /** The role that it has now; absent if the rules and the default decide. */
  readonly after?: string;
  /** The `once:` that it has now. */
  readonly once?: string;
  readonly changed: boolean;
}

/**
 * Writes an assignment into machines.yaml, keeping comments and order; without a field, an entry that says no more
 * than that the machine is known. Throws as `editInProfiles` does, and `conflict` where the
 * entry is not the one of `revision` any more.
 */
export async function assignInProfiles(options: AssignOptions): Promise<Assigned> {
  const { mac, revision } = options;
  const { edited, catalog } = await editInProfiles(options, (text) => {
    refuseIfChanged(text, mac, revision);
    return assignRole(text, mac, options);
  });
  const { role: after, once } = catalog.machines.get(mac) ?? {};
  return {
    ...(edited.before === undefined ? {} : { before: edited.before }),
    ...(after === undefined ? {} : { after }),
    ...(once === undefined ? {} : { once }),
    changed: edited.changed,
  };
}

/** The fields that a role is written to: with `once` that of its next boot alone; without a role nothing but that is changed. */
export function roleChange({
  role,
  once,
}: {
  readonly role?: string;
  readonly once?: boolean;
}): Pick<MachineChange, 'role' | 'once'> {
  if (once === true) return role === undefined ? {} : { once: role };
  return { ...(role === undefined ? {} : { role }), ...(once === false ? { once: null } : {}) };
}

/** Somebody else was faster: told what there is now, since that is what they mean to change. */
function refuseIfChanged(text: string, mac: Mac, revision: string | undefined): void {
  if (revision === undefined) return;
  const entry = entryTextOf(text, mac);
  if (revisionOf(entry) === revision) return;
  const now = entry === undefined ? 'it has none' : `it is now ${entry.replace(/\s+/g, ' ').slice(0, 200)}`;
  throw new TinderboxError('conflict', `the entry of ${mac} was changed meanwhile: ${now}`, {
    remedy: 'Look at it again, then repeat what you did if it still is right.',
  });
}
