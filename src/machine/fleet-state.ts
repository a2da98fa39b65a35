import type { BootSession } from './session.ts';

/**
 * What a machine is in the eyes of an operator, most urgent first. `unknown`: it never booted from the network here, so
 * that nobody knows whether it is on.
 */
export const FLEET_STATES = [
  'waiting',
  'failed',
  'stalled',
  'booting',
  'ready',
  'booted',
  'handed-over',
  'unknown',
] as const;
export type FleetState = (typeof FLEET_STATES)[number];

/** Of the machine's newest boot session. The store asks the same of its rows: store/list-machines.ts. */
export function fleetState(
  session: Pick<BootSession, 'end' | 'waitingSince' | 'failedAt' | 'stalled' | 'signingUntil'> | undefined,
): FleetState {
  if (session === undefined || session.signingUntil !== undefined) return 'unknown';
  const { end, waitingSince, failedAt, stalled } = session;
  if (end !== undefined) return end === 'superseded' ? 'unknown' : end;
  if (waitingSince !== undefined) return 'waiting';
  if (failedAt !== undefined) return 'failed';
  return stalled === undefined ? 'booting' : 'stalled';
}
