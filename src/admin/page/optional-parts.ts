import type { Mac } from '../../machine/mac.ts';
import type { AdminServerOptions } from '../port.ts';

export type PowerAction = 'on' | 'off' | 'cycle';

/** Parts that a daemon may be without: the pages leave out what belongs to them. */
export interface OptionalParts {
  readonly power?: (mac: Mac, action: PowerAction) => Promise<unknown>;
}

export function optionalParts(options: AdminServerOptions): OptionalParts {
  return options as OptionalParts;
}
