import { formatIpv4 } from '../machine/ipv4.ts';
import type { BootSession } from '../machine/session.ts';
import { type BootRequest, originIn, type RouteDeps } from './answer.ts';

/** What nobody who means well does, or only after something went wrong. */
export type AlarmCause = 'second-key' | 'second-release' | 'other-address';

/** An event of its own, a counter, and a warning in the log (one a second for each cause and machine). */
export function raiseAlarm(
  deps: RouteDeps,
  request: BootRequest,
  alarm: {
    readonly session: BootSession;
    readonly cause: AlarmCause;
    readonly what: string;
    readonly reasons: readonly string[];
  },
): void {
  const { session, cause, what, reasons } = alarm;
  const { mac } = session;
  deps.journal.count(`security.alarm.${cause}`);
  const address = request.remote === undefined ? 'no IPv4 address' : formatIpv4(request.remote);
  deps.complain(`alarm.${cause}`, 'warn', { mac, address, asked: request.asked }, what);
  deps.journal.record({
    ...originIn(deps, request, session),
    kind: 'security.alarm',
    evidence: 'alarm',
    outcome: 'noted',
    answered: what,
    reasons: [`asked from ${address}`, ...reasons],
  });
}
