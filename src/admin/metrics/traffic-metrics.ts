import { Counter, type Registry } from 'prom-client';
import type { Observation } from '../../store/port.ts';

/**
 * What machines asked, and how it ended, counted as the journal observes it: also what its bounds forbid to record.
 * Labels are of closed sets: kinds of events and outcomes.
 */
export function createTrafficMetrics(registry: Registry): (observation: Observation) => void {
  const registers = [registry];
  /** Not yet in the counter. */
  const packets = new Map<Observation['kind'], Map<Observation['outcome'], number>>();
  registry.registerMetric(
    new Counter({
      name: 'tinderbox_dhcp_packets_total',
      help: 'DHCP packets of machines by port (dhcp: 67, pxe: 4011), message type and outcome.',
      labelNames: ['plane', 'type', 'outcome'],
      registers: [],
      // Counting costs ten times more here than in a table of our own, and packets are many.
      collect() {
        for (const [kind, outcomes] of packets)
          for (const [outcome, times] of outcomes) {
            const [plane = '', type = ''] = kind.split('.');
            if (times > 0) this.inc({ plane, type, outcome }, times);
            outcomes.set(outcome, 0);
          }
      },
    }),
  );
  const reads = new Counter({
    name: 'tinderbox_tftp_requests_total',
    help: 'TFTP read requests by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  const tftpBytes = new Counter({
    name: 'tinderbox_tftp_sent_bytes_total',
    help: 'Bytes of files that clients acknowledged over TFTP.',
    registers,
  });
  const http = new Counter({
    name: 'tinderbox_http_requests_total',
    help: 'Requests on the provisioning plane by kind and outcome.',
    labelNames: ['kind', 'outcome'],
    registers,
  });
  const assetBytes = new Counter({
    name: 'tinderbox_http_asset_sent_bytes_total',
    help: 'Bytes of assets sent over HTTP.',
    registers,
  });
  const stalls = new Counter({
    name: 'tinderbox_boot_stalls_total',
    help: 'Boot sessions that overran the time of their stage, by the first diagnosis.',
    labelNames: ['diagnosis'],
    registers,
  });
  const lines = new Counter({
    name: 'tinderbox_syslog_lines_total',
    help: 'Lines that machines logged to the syslog receiver.',
    registers,
  });
  const nodes = new Counter({
    name: 'tinderbox_node_changes_total',
    help: 'Nodes of the cluster that became ready or not ready, were deleted, or could not be.',
    labelNames: ['change'],
    registers,
  });
  const power = new Counter({
    name: 'tinderbox_power_commands_total',
    help: 'Power commands by outcome.',
    labelNames: ['outcome'],
    registers,
  });

  return ({ at, kind, outcome, bytes = 0, stalled }) => {
    const known = packets.get(kind);
    if (known !== undefined) return countPacket(known, outcome);
    if (kind.startsWith('dhcp.') || kind.startsWith('pxe.')) {
      const outcomes = new Map<Observation['outcome'], number>();
      packets.set(kind, outcomes);
      return countPacket(outcomes, outcome);
    }
    const [plane, type = ''] = kind.split('.');
    switch (plane) {
      case 'tftp':
        if (type === 'read') return reads.inc({ outcome });
        return tftpBytes.inc(bytes);
      case 'http':
        http.inc({ kind: type, outcome });
        if (type === 'asset') assetBytes.inc(bytes);
        return undefined;
      case 'node':
        return nodes.inc({ change: type });
      case 'power':
        return power.inc({ outcome });
      case 'syslog':
        return lines.inc();
      default:
        // Another diagnosis of the same stall keeps the time of the first one.
        if (stalled?.at === at) stalls.inc({ diagnosis: stalled.diagnosis.name });
        return undefined;
    }
  };
}

function countPacket(outcomes: Map<Observation['outcome'], number>, outcome: Observation['outcome']): void {
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
}
