import type { MachineListView, SessionView } from '../admin/api.ts';
import { ordinal } from '../boot/describe-queue.ts';
import { formatAge } from '../boot/format-age.ts';

const HEADINGS = ['MAC', 'HOSTNAME', 'ROLE', 'STAGE', 'SEEN', 'ADDRESS'] as const;

/** One line a machine, as the daemon ordered them. Times in milliseconds since the epoch. */
export function formatMachineTable(list: MachineListView, now: number): string {
  if (list.machines.length === 0) {
    return 'No machine was seen yet. Power one on, with its first boot device the network.\n';
  }
  const rows = list.machines.map(({ machine, session, turn }) => [
    machine.mac,
    session?.hostname ?? machine.hostname ?? '-',
    session?.role ?? '-',
    session === undefined
      ? '-'
      : `${formatStage(session, now)}${turn === undefined ? '' : `, waiting ${ordinal(turn)}`}${session.alarmedAt === undefined ? '' : ', ALARM'}`,
    `${formatAge(now - machine.lastSeen)} ago`,
    session?.address ?? machine.address ?? '-',
  ]);
  return formatColumns([HEADINGS, ...rows]);
}

/** Rows of as many cells as the first, each column as wide as it needs. */
export function formatColumns(table: readonly (readonly string[])[]): string {
  const widths = (table[0] ?? []).map((_heading, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  return table
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** The stage, with how the session ended where that says more, that it waits for approval, or why it stalled. */
export function formatStage(session: SessionView, now: number): string {
  const { stage, end, failedAt, stalled, waitingSince } = session;
  if (end !== undefined) return end === stage ? stage : `${stage} (${end})`;
  if (waitingSince !== undefined) return `waits for approval (${formatAge(now - waitingSince)})`;
  if (stalled !== undefined) return `${stage}, stalled: ${stalled.diagnosis.title}`;
  return failedAt === undefined ? stage : `${stage} (failed)`;
}
