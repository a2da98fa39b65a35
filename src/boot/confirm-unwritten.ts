import type { Ipv4 } from '../machine/ipv4.ts';

/** A lease that ends sooner is not worth confirming: the machine would not get through its boot. In seconds. */
const LEAST = 60;
/** For an address that nobody else gets anyway. In seconds. */
const RESERVED = 600;

export interface UnwrittenLease {
  readonly address: Ipv4;
  /** Of the subnet, in seconds. */
  readonly leaseTime: number;
  /** What is on disk of the machine at this address. */
  readonly lease: { readonly state: string; readonly expiresAt: number } | undefined;
  /** `address:` of the machine in machines.yaml. */
  readonly reservation: Ipv4 | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * For how many seconds an address may be confirmed to a machine although its lease cannot be written (a full disk);
 * undefined: not at all. What is on disk already needs no writing, as long as it lasts; and a reservation is kept for its
 * machine by machines.yaml. So machines that are known boot, and none is promised what a restart would forget.
 */
export function confirmUnwritten({
  address,
  leaseTime,
  lease,
  reservation,
  now,
}: UnwrittenLease): number | undefined {
  const left = lease?.state === 'bound' ? Math.floor((lease.expiresAt - now) / 1000) : 0;
  const reserved = reservation === address ? RESERVED : 0;
  const seconds = Math.min(leaseTime, Math.max(left, reserved));
  return seconds < Math.min(LEAST, leaseTime) ? undefined : seconds;
}
