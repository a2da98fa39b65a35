import { Counter, type Registry } from 'prom-client';

/** Names that the journal counts by, as a metric and its labels. The first that matches has it. */
const FAMILIES = [
  {
    name: 'tinderbox_packets_dropped_total',
    help: 'Packets that were not looked at, by port and reason.',
    pattern: /^(?<plane>dhcp|pxe|tftp|syslog)\.dropped\.(?<reason>.+)$/,
    labelNames: ['plane', 'reason'],
  },
  {
    name: 'tinderbox_tftp_transfers_total',
    help: 'TFTP transfers that ended, by how: finished, probe (only the size was asked), aborted, stalled, replaced, stopped.',
    pattern: /^tftp\.done\.(?<end>.+)$/,
    labelNames: ['end'],
  },
  {
    name: 'tinderbox_security_alarms_total',
    help: 'Alarms by cause.',
    pattern: /^security\.alarm\.(?<cause>.+)$/,
    labelNames: ['cause'],
  },
  {
    name: 'tinderbox_events_dropped_total',
    help: 'Events that were not recorded, by the bound that forbade it.',
    pattern: /^events\.dropped\.(?<bound>.+)$/,
    labelNames: ['bound'],
  },
  // Told by tinderbox_tftp_requests_total, tinderbox_events_dropped_total, tinderbox_syslog_lines_total and
  // tinderbox_boot_stalls_total already.
  { pattern: /^(tftp\.read\..+|events\.unrecorded\..+|syslog\.line|stalls\.(?!errors$|unlogged$).+)$/ },
  {
    name: 'tinderbox_incidents_total',
    help: 'Whatever else is counted: what was refused, failed or given up, by name.',
    pattern: /^(?<incident>.+)$/,
    labelNames: ['incident'],
  },
] as const;

/** What the journal has counted, as it is now. Its names are bounded (`counterNames`), and never a machine's. */
export function createCounterMetrics(registry: Registry): (counters: ReadonlyMap<string, number>) => void {
  const families = FAMILIES.map((family) => ({
    pattern: family.pattern,
    counter:
      'name' in family
        ? new Counter<string>({
            name: family.name,
            help: family.help,
            labelNames: family.labelNames,
            registers: [registry],
          })
        : undefined,
  }));
  return (counters) => {
    for (const { counter } of families) counter?.reset();
    for (const [name, value] of counters) {
      for (const { pattern, counter } of families) {
        const match = pattern.exec(name);
        if (match === null) continue;
        counter?.inc({ ...match.groups }, value);
        break;
      }
    }
  };
}
