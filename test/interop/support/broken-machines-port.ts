/** Where a machine breaks, or what keeps it from going on. */
export const FAULTS = [
  'none',
  'deaf',
  'no-4011',
  'no-tftp',
  'tftp-probe-only',
  'tftp-silent',
  'tftp-abort',
  'no-http',
  'ipxe-without-http',
  'no-ipxe-script',
  'no-assets',
  'kernel-aborted',
  'no-initrd',
  'no-config',
  'config-twice',
  'reports-failure',
] as const;
export type Fault = (typeof FAULTS)[number];

export interface BrokenOrder {
  readonly mac: string;
  /** Of the network card, that it fetches from: what is fetched is laid to a machine by its address. */
  readonly address: string;
  readonly fault: Fault;
  readonly arch?: string;
  readonly until?: 'loader' | 'script' | 'config' | 'report';
  /** How often it is switched on. */
  readonly boots?: number;
}
