import type { MachineListView } from '../admin/api.ts';
import { FLEET_STATES, type FleetState, fleetState } from '../machine/fleet-state.ts';
import type { Mac } from '../machine/mac.ts';
import type { Stage } from '../machine/stage.ts';

/** A machine as `watch` shows it. Texts are as they came: whoever prints them takes control characters out. */
export interface FleetRow {
  readonly mac: Mac;
  readonly hostname?: string;
  readonly role?: string;
  readonly state: FleetState;
  readonly stage?: Stage;
  /** Milliseconds since the epoch: when it last got on. */
  readonly since: number;
  /** What the operator should know besides: a diagnosis' title, an alarm. */
  readonly note?: string;
}

export interface FleetFilter {
  readonly role?: string;
  /** Only what is stalled or failed. */
  readonly stalled: boolean;
}

export function fleetRow({ machine, session, turn }: MachineListView['machines'][number]): FleetRow {
  // A signing token is no boot.
  if (session === undefined || session.signingUntil !== undefined) {
    const { mac, hostname, lastSeen } = machine;
    return {
      mac,
      state: fleetState(session),
      since: lastSeen,
      ...(hostname === undefined ? {} : { hostname }),
    };
  }
  const hostname = session.hostname ?? machine.hostname;
  const note = noteOf(session, turn);
  return {
    mac: machine.mac,
    ...(hostname === undefined ? {} : { hostname }),
    ...(session.role === undefined ? {} : { role: session.role }),
    state: fleetState(session),
    stage: session.stage,
    since: session.waitingSince ?? session.updatedAt,
    ...(note === undefined ? {} : { note }),
  };
}

type Session = NonNullable<MachineListView['machines'][number]['session']>;

function noteOf({ alarmedAt, stalled, end, waitingSince }: Session, turn?: number): string | undefined {
  const notes = [
    ...(alarmedAt === undefined ? [] : ['ALARM']),
    ...(stalled === undefined || end !== undefined ? [] : [stalled.diagnosis.title]),
    ...(turn === undefined ? [] : ['waits for its turn']),
    ...(waitingSince === undefined || end !== undefined ? [] : ['waits for approval']),
  ];
  return notes.length === 0 ? undefined : notes.join('; ');
}

export function matchesFilter({ role, state }: FleetRow, filter: FleetFilter): boolean {
  if (filter.role !== undefined && role !== filter.role) return false;
  return !filter.stalled || state === 'stalled' || state === 'failed';
}

/** What wants attention first; then by MAC, so that a row stays where it is while its machine goes on. */
export function orderRows(rows: Iterable<FleetRow>): readonly FleetRow[] {
  const rank = (row: FleetRow): number => FLEET_STATES.indexOf(row.state);
  return [...rows].sort((a, b) => rank(a) - rank(b) || (a.mac < b.mac ? -1 : 1));
}

/** Whether somebody who reads changes line by line is told of it. */
export function isNews(before: FleetRow | undefined, after: FleetRow): boolean {
  if (before === undefined) return true;
  return (['state', 'stage', 'role', 'hostname', 'note'] as const).some((key) => before[key] !== after[key]);
}
