import type { Mac } from '../machine/mac.ts';
import type { PowerAction, PowerKind } from '../machine/power.ts';

export interface PowerView {
  readonly mac: Mac;
  readonly kind: PowerKind;
  readonly action: PowerAction;
  /** As the management controller had it before; absent: there is none that could be asked, or it does not know. */
  readonly state?: 'on' | 'off';
  /** What was asked for, in the words of the protocol. */
  readonly did: string;
  /** What could not be done besides. */
  readonly notes: readonly string[];
}
