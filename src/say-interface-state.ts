import type { InterfaceState } from './interface-state.ts';
import type { Logger } from './logger.ts';

interface Spoken {
  readonly name: string;
  readonly state: InterfaceState;
  /** Since when it was not served in full; undefined: it was. */
  readonly awaySince: number | undefined;
}

/** That an interface is served again, and how long it was not; or why it is not. */
export function sayInterfaceState(
  { name, state, awaySince }: Spoken,
  before: InterfaceState,
  at: number,
  logger: Logger,
): void {
  const { reason } = state;
  const details = { interface: name, ...(reason === undefined ? {} : { reason }) };
  switch (state.state) {
    case 'serving': {
      if (before.state === 'serving') return;
      const awayMs = Math.round(at - (awaySince ?? at));
      return logger.info(
        { ...details, awayMs },
        `${name} is served; it was not for ${(awayMs / 1000).toFixed(1)} s`,
      );
    }
    case 'partly':
      return logger.warn(details, `${name} is served in part: ${reason}`);
    case 'waiting':
      return logger.warn(details, `${name} is not served until this is mended: ${reason}`);
  }
}
