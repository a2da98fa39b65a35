import type { MachineListView } from '../admin/api.ts';
import { formatAge } from '../boot/format-age.ts';
import { formatCpu, formatMemory } from './format-hardware.ts';
import { formatColumns } from './format-machine-table.ts';
import { plain } from './format-timeline.ts';

type Machine = MachineListView['machines'][number];

/** Those that were told to wait for approval when they last asked; who waits the longest first. */
export function waitingOf({ machines }: MachineListView): readonly Machine[] {
  return machines
    .filter(({ session }) => session?.waitingSince !== undefined && session.end === undefined)
    .toSorted((a, b) => (a.session?.waitingSince ?? 0) - (b.session?.waitingSince ?? 0));
}

const HEADINGS = ['MAC', 'WAITS', 'ASKED', 'ADDRESS', 'SERIAL', 'MACHINE', 'CPU', 'MEMORY'] as const;

/** One line each, with what tells one machine of a rack from another. One that is off goes on being listed: `ASKED` shows it. */
export function formatWaiting(waiting: readonly Machine[], now: number): string {
  if (waiting.length === 0) return 'No machine waits for approval.\n';
  const rows = waiting.map(({ machine, session }) => [
    machine.mac,
    formatAge(now - (session?.waitingSince ?? now)),
    `${formatAge(now - machine.lastSeen)} ago`,
    machine.address ?? '-',
    plain(machine.serial ?? '-'),
    plain([machine.manufacturer, machine.product].filter((text) => text !== undefined).join(' ')),
    plain(formatCpu(machine.hardware)),
    formatMemory(machine.hardware),
  ]);
  return formatColumns([HEADINGS, ...rows]);
}
