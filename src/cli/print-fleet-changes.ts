import type { Mac } from '../machine/mac.ts';
import { type FleetFilter, type FleetRow, isNews, matchesFilter, orderRows } from './fleet-rows.ts';
import { plain } from './format-timeline.ts';

export interface FleetPrinterOptions {
  readonly filter: FleetFilter;
  readonly json: boolean;
  readonly out: (text: string) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** One line a change, for pipes and logs. What matches the filter no longer is told once, as it is then. */
export interface FleetPrinter {
  readonly rows: (rows: ReadonlyMap<Mac, FleetRow>) => void;
  readonly trouble: (trouble: string | undefined) => void;
}

export function createFleetPrinter({ filter, json, out, now }: FleetPrinterOptions): FleetPrinter {
  const told = new Map<Mac, FleetRow>();
  let troubled = false;
  const tell = (value: Readonly<Record<string, unknown>>, text: string): void => {
    const at = now();
    out(json ? `${JSON.stringify({ at, ...value })}\n` : `${formatClock(at)}  ${text}\n`);
  };
  return {
    rows(rows) {
      for (const row of orderRows(rows.values())) {
        const before = told.get(row.mac);
        const shown = matchesFilter(row, filter);
        if (!shown && before === undefined) continue;
        if (isNews(before, row)) tell({ kind: 'machine', ...row }, describeRow(row, before));
        if (shown) told.set(row.mac, row);
        else told.delete(row.mac);
      }
      for (const mac of told.keys()) {
        if (rows.has(mac)) continue;
        told.delete(mac);
        tell({ kind: 'forgotten', mac }, `${mac}  forgotten`);
      }
    },
    trouble(trouble) {
      // Said once, however often it is tried.
      if (troubled === (trouble !== undefined)) return;
      troubled = trouble !== undefined;
      const text = troubled ? 'the daemon does not answer; waiting for it' : 'the daemon answers again';
      tell({ kind: troubled ? 'disconnected' : 'connected' }, text);
    },
  };
}

function describeRow(
  { mac, hostname, role, state, stage, note }: FleetRow,
  before: FleetRow | undefined,
): string {
  const from = before?.stage === undefined || before.stage === stage ? '' : `${before.stage} -> `;
  const parts = [mac, hostname ?? '-', role ?? '-', state, `${from}${stage ?? '-'}`, note];
  return parts
    .filter((part) => part !== undefined)
    .map(plain)
    .join('  ');
}

/** Seconds are enough, and with the day, since it may run for weeks. */
function formatClock(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}
