import { formatIpv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import { type BootRequest, originOf, type RouteDeps } from './answer.ts';

/** What nobody who means well does, or only after something went wrong. */
export type AlarmCause = 'second-key' | 'second-release' | 'other-address';

/** An event of its own, a counter, and a warning in the log (one a second for each cause). */
export function raiseAlarm(
  deps: RouteDeps,
  request: BootRequest,
  alarm: {
    readonly mac: Mac;
    readonly cause: AlarmCause;
    readonly what: string;
    readonly reasons: readonly string[];
  },
): void {
  const { mac, cause, what, reasons } = alarm;
  deps.journal.count(`security.alarm.${cause}`);
  const address = request.remote === undefined ? 'no IPv4 address' : formatIpv4(request.remote);
  deps.complain(`alarm.${cause}`, 'warn', { mac, address, asked: request.asked }, what);
  deps.journal.record({
    ...originOf(deps, request),
    kind: 'security.alarm',
    mac,
    outcome: 'noted',
    answered: what,
    reasons: [`asked from ${address}`, ...reasons],
  });
}
