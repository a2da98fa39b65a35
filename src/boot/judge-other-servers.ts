import { type Finding, ok, problem, warning } from './finding.ts';

export interface WireFacts {
  readonly mode: 'proxy' | 'server';
  readonly interface: string;
  /** Who else gives addresses there, each as describeDhcpServer has it. */
  readonly others: readonly string[];
  /** `dhcp.allowOtherServers`. */
  readonly allowed: boolean;
}

export const WAYS_OUT =
  'Switch it off, or let it give the addresses: dhcp.mode: proxy. To serve beside it all the same: dhcp.allowOtherServers: true';

/** Beside a server a second one is a fault, and a proxy without any is one. */
export function judgeOtherServers({ mode, interface: name, others, allowed }: WireFacts): Finding {
  const listed = others.join('; ');
  if (mode === 'proxy') {
    if (others.length > 0) return ok(`addresses on ${name} are given by ${listed}`);
    return problem(
      `no DHCP server answers on ${name}: in proxy mode machines get no address until one does`,
      'Start it, see whether it answers strangers, or let Tinderbox give the addresses: dhcp.mode: server.',
    );
  }
  if (others.length === 0) return ok(`no other DHCP server answers on ${name}`);
  const said = `another DHCP server is on ${name}: ${listed}; machines take what answers first`;
  return allowed ? warning(`${said} (dhcp.allowOtherServers)`) : problem(said, `${WAYS_OUT}.`);
}

export interface BeginFacts {
  /** When the newest lease in one of the networks ran out, or does (milliseconds since the epoch); undefined: there is none. */
  readonly newestLease: number | undefined;
  /** The database was lost: nobody knows whether there were leases. */
  readonly lostDatabase: boolean;
  readonly now: number;
}

/** A network whose last lease is over for so long was taken over by somebody else meanwhile. */
const SERVED_LATELY = 30 * 24 * 3_600_000;

/**
 * Whether addresses were given here before, lately, or may have been. Who never gave an address here must not begin beside another server: two that give
 * the same addresses are the worst that can happen to the network. Who already serves goes on: machines hold its leases,
 * and somebody who plugs in a router must not be able to switch it off.
 */
export function didServe({ newestLease, lostDatabase, now }: BeginFacts): boolean {
  return lostDatabase || (newestLease !== undefined && now - newestLease < SERVED_LATELY);
}
