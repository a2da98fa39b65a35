import type { Mac } from '../machine/mac.ts';
import { type EditOptions, editInProfiles } from './edit-in-profiles.ts';
import { removeMachine } from './remove-machine.ts';

/** Removes a machine's entry from machines.yaml. False if it has none. Throws as `editInProfiles` does. */
export async function forgetInProfiles(options: EditOptions & { readonly mac: Mac }): Promise<boolean> {
  const { edited } = await editInProfiles(options, (text) => removeMachine(text, options.mac));
  return edited.changed;
}
