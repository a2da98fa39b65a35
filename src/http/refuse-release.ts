import type { TinderboxError } from '../errors.ts';
import type { MachineFacts } from '../machine/facts.ts';
import { formatIpv4, type Ipv4 } from '../machine/ipv4.ts';
import type { BootSession } from '../machine/session.ts';
import { type Answer, type BootRequest, originIn, type RouteDeps, refuse } from './answer.ts';
import type { BootablePlan, MachineCredentials } from './port.ts';
import { type AlarmCause, raiseAlarm } from './raise-alarm.ts';

const RETRY_SECONDS = '5';

export interface ReleaseInput {
  readonly credentials: MachineCredentials;
  readonly session: BootSession;
  readonly plan: BootablePlan;
  readonly facts: MachineFacts;
  readonly sessionUrl: string;
  /** What is known so far of why. */
  readonly reasons: readonly string[];
}

/** It was given out: who asks again is refused, and an alarm that names who was first. `how`: what else is known. */
export function refuseReleased(
  deps: RouteDeps,
  request: BootRequest,
  input: ReleaseInput,
  first: Ipv4 | undefined,
  how: string,
): Answer {
  const why = `it was released${first === undefined ? '' : ` to ${formatIpv4(first)}`} ${how}`;
  const what = 'a configuration with keys was asked for again; it was refused';
  alarm(deps, request, input, 'second-release', what, why);
  const line = 'the keys of this boot were given out and are not given again; power the machine off and on';
  return refuseRelease(deps, request, input, 410, line, why);
}

/** It is being given out to another address, `first`. */
export function refuseOtherAddress(
  deps: RouteDeps,
  request: BootRequest,
  input: ReleaseInput,
  first: Ipv4,
): Answer {
  const why = `it is being released to ${formatIpv4(first)}`;
  const what = 'a configuration with keys was asked for by a second address; it was refused';
  alarm(deps, request, input, 'other-address', what, why);
  const line = 'the keys of this boot are being given to another address';
  return refuseRelease(deps, request, input, 403, line, why);
}

function alarm(
  deps: RouteDeps,
  request: BootRequest,
  { session }: ReleaseInput,
  cause: AlarmCause,
  what: string,
  why: string,
): void {
  const reasons = [
    `of session ${session.id}: ${why}`,
    'if this machine did not get it, somebody else has its keys',
  ];
  raiseAlarm(deps, request, { session, cause, what, reasons });
}

export function refuseRelease(
  deps: RouteDeps,
  request: BootRequest,
  { session, reasons }: ReleaseInput,
  status: number,
  line: string,
  why = line,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  deps.journal.record({
    ...originIn(deps, request, session),
    kind: 'http.config',
    outcome: 'refused',
    answered: String(status),
    reasons: [why, ...reasons],
  });
  return refuse(status, line, { 'cache-control': 'no-store', ...headers });
}

/** It could not be made or written down. */
export function failRelease(
  deps: RouteDeps,
  request: BootRequest,
  input: ReleaseInput,
  error: TinderboxError,
): Answer {
  const { session, plan } = input;
  if (error.code === 'busy') {
    const headers = { 'retry-after': RETRY_SECONDS };
    return refuseRelease(deps, request, input, 503, error.message, error.message, headers);
  }
  if (error.code === 'expired' && deps.journal.sessionById(session.id)?.end === 'superseded') {
    return refuseRelease(deps, request, input, 410, error.message);
  }
  const { mac } = session;
  const role = plan.role.name;
  const status = error.code === 'invalid-template' ? 500 : error.code === 'refused' ? 403 : 503;
  deps.complain(
    'config',
    'error',
    { mac, role, err: error },
    'a configuration with keys could not be released',
  );
  deps.journal.record({
    ...originIn(deps, request, session),
    kind: 'http.config',
    outcome: 'failed',
    answered: String(status),
    reasons: [
      ...input.reasons,
      `the configuration of role ${role} cannot be released: ${error.message}`,
      ...error.problems.map(({ message }) => message),
    ],
  });
  return refuse(status, `the configuration cannot be given out; see: tinderbox machines ${mac}`, {
    'cache-control': 'no-store',
    ...(status === 503 ? { 'retry-after': RETRY_SECONDS } : {}),
  });
}
