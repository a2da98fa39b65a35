import { TinderboxError, toTinderboxError } from '../errors.ts';
import { formatIpv4 } from '../machine/ipv4.ts';
import type { BootSession } from '../machine/session.ts';
import type { Entitlement, SignedCertificate } from '../pki/port.ts';
import type { GivenCertificate } from '../store/port.ts';
import { type Answer, type BootRequest, originIn, type RouteDeps, refuse } from './answer.ts';
import { choosePlan, findAge, refuseFormer } from './choose-plan.ts';
import { findSession } from './find-session.ts';
import type { PlanMemory } from './plan-memory.ts';
import type { MachineCredentials } from './port.ts';
import { raiseAlarm } from './raise-alarm.ts';
import { ownerOf, storing } from './storing.ts';
import type { KeyedTurns } from './take-turns-by-key.ts';

/** RSA of 8192 bits with every name that a machine may have is a quarter of it. In bytes. */
export const REQUEST_LIMIT = 16 * 1024;

const RETRY_SECONDS = '5';

export interface SigningRequest {
  readonly token: string;
  /** `?name=` */
  readonly name: unknown;
  readonly pem: string;
}

/**
 * `POST /boot/<session>/csr?name=<certificate>`: a PKCS #10 request in PEM, answered with its certificate. What is signed
 * is what the machine is entitled to, once for each name and session; again for the same key, since an answer that was
 * lost must not strand a machine. Another key is refused and an alarm: somebody else was here before.
 */
export async function answerSigningRequest(
  deps: RouteDeps,
  plans: PlanMemory,
  turns: KeyedTurns,
  request: BootRequest,
  { token, name, pem }: SigningRequest,
): Promise<Answer> {
  const { credentials } = deps;
  if (credentials === undefined) {
    deps.journal.count('http.csr.no-cluster');
    return refuse(404, 'no certificates are signed here: tinderbox.yaml has no cluster');
  }
  const found = findSession(deps, request, 'http.csr', token);
  if (found.kind === 'refused') return found.answer;
  const { session, notes } = found;
  if (typeof name !== 'string' || name === '') {
    return record(deps, request, session, notes, {
      status: 400,
      line: 'say which certificate is asked for: ?name=node',
      reasons: ['the request names no certificate'],
    });
  }
  // One after the other for each certificate: of several keys, one wins.
  return turns.run(`${session.id} ${name}`, () =>
    signInTurn(deps, plans, request, { credentials, session, notes, token, name, pem }),
  );
}

interface Turn extends Pick<SigningRequest, 'token' | 'pem'> {
  readonly credentials: MachineCredentials;
  readonly session: BootSession;
  readonly notes: readonly string[];
  readonly name: string;
}

async function signInTurn(
  deps: RouteDeps,
  plans: PlanMemory,
  request: BootRequest,
  turn: Turn,
): Promise<Answer> {
  const { credentials, session, notes, name, pem } = turn;
  const { mac } = session;
  const at = deps.clock();
  const old = findAge(deps, session, at);
  if (old !== undefined) {
    deps.journal.count('http.expired-session');
    return record(deps, request, session, notes, { status: 410, line: old.line, reasons: [old.reason] });
  }
  let before: GivenCertificate | undefined;
  try {
    const chosen = await choosePlan(deps, plans, session, deps.journal.machine(mac) ?? { mac });
    const plan =
      chosen.kind === 'plan' && chosen.isFormer
        ? refuseFormer(`${chosen.reasons.join('; ')}, but gets no certificate of it`)
        : chosen;
    if (plan.kind === 'refused') {
      const { status, line, reason } = plan;
      return record(deps, request, session, notes, { status, line, reasons: [reason] });
    }
    if (plan.plan.role.credentials.delivery === 'issued') {
      // Else a thief could have a pair beside the one that is released, and nobody would notice.
      throw new TinderboxError('refused', 'the keys of this machine are issued with its configuration');
    }
    const sessionUrl = `${request.server.url}/boot/${turn.token}`;
    const whose = { mac, plan: plan.plan, remote: request.remote, sessionUrl };
    const entitlement = credentials.entitlement(whose, name);
    ownerOf(deps, session.id);
    before = await storing(() => credentials.book.certificateOf(session.id, entitlement.name));
    const signed = await credentials.signRequest(
      pem,
      entitlement,
      before === undefined ? {} : { onlyKey: before.keyFingerprint },
    );
    const owner = ownerOf(deps, session.id);
    const given = await storing(() =>
      credentials.book.giveCertificate(owner, entryOf(signed, entitlement, at, request)),
    );
    if (!given) {
      before = await storing(() => credentials.book.certificateOf(session.id, entitlement.name));
      throw new TinderboxError('in-use', `a certificate ${name} was given out already, for another key`);
    }
    deps.journal.record({
      ...originIn(deps, request, session),
      kind: 'http.csr',
      outcome: 'answered',
      answered: describeCertificate(signed, entitlement),
      // An event keeps so many reasons: who got it comes first.
      reasons: [
        ...(request.remote === undefined ? [] : [`asked from ${formatIpv4(request.remote)}`]),
        `its key: SHA-256 ${signed.keyFingerprint}`,
        ...(before === undefined ? [] : ['given again, since the key is the same']),
        ...notes,
        ...plan.reasons,
      ],
      ...(before === undefined ? { evidence: 'giving' } : {}),
    });
    const headers = { 'content-type': 'application/x-pem-file', 'cache-control': 'no-store' };
    return { status: 200, text: signed.certificatePem, headers };
  } catch (thrown) {
    return fail(deps, request, turn, toTinderboxError(thrown), before);
  }
}

function fail(
  deps: RouteDeps,
  request: BootRequest,
  { session, notes, name }: Turn,
  error: TinderboxError,
  first: GivenCertificate | undefined,
): Answer {
  const { message, remedy, problems } = error;
  const reasons = [
    message,
    ...problems.map((problem) => problem.message),
    ...(remedy === undefined ? [] : [remedy]),
  ];
  const refused = (status: number, headers?: Readonly<Record<string, string>>): Answer =>
    record(deps, request, session, notes, {
      status,
      line: remedy === undefined ? message : `${message}. ${remedy}`,
      reasons,
      ...(headers === undefined ? {} : { headers }),
    });
  switch (error.code) {
    case 'malformed-packet':
      return refused(400);
    case 'refused':
      return refused(403);
    case 'expired':
      if (deps.journal.sessionById(session.id)?.end === 'superseded') return refused(410);
      break;
    case 'in-use':
      raiseAlarm(deps, request, {
        session,
        cause: 'second-key',
        what: `a certificate ${name} was asked for with a second key; it was refused`,
        reasons: [
          ...(first === undefined ? [] : [describeFirst(first)]),
          'whoever asked first has one: this machine, or somebody in its name',
        ],
      });
      return refused(403);
    case 'busy':
      return refused(503, { 'retry-after': RETRY_SECONDS });
    case 'usage':
    case 'invalid-config':
    case 'invalid-catalog':
    case 'invalid-template':
    case 'not-found':
    case 'unavailable':
    case 'newer-database':
    case 'unauthenticated':
    case 'conflict':
    case 'not-writable':
    case 'rate-limited':
    case 'internal':
      break;
  }
  deps.complain('csr', 'error', { mac: session.mac, err: error }, 'a certificate could not be given');
  return record(deps, request, session, notes, {
    status: 503,
    line: 'no certificate can be given now; try again; the reason is in the log of tinderbox',
    reasons,
    headers: { 'retry-after': RETRY_SECONDS },
    failed: true,
  });
}

function record(
  deps: RouteDeps,
  request: BootRequest,
  session: BootSession,
  notes: readonly string[],
  no: {
    readonly status: number;
    readonly line: string;
    readonly reasons: readonly string[];
    readonly headers?: Readonly<Record<string, string>>;
    readonly failed?: boolean;
  },
): Answer {
  deps.journal.record({
    ...originIn(deps, request, session),
    kind: 'http.csr',
    outcome: no.failed === true ? 'failed' : 'refused',
    answered: String(no.status),
    reasons: [...notes, ...no.reasons],
  });
  return refuse(no.status, no.line, no.headers);
}

function entryOf(
  signed: SignedCertificate,
  entitlement: Entitlement,
  at: number,
  { remote }: BootRequest,
): GivenCertificate {
  const { name, keyFingerprint, serial, notAfter } = signed;
  const entry = { name, keyFingerprint, serial, notAfter, subject: subjectOf(entitlement), givenAt: at };
  return remote === undefined ? entry : { ...entry, address: remote };
}

function describeFirst({ address, keyFingerprint, serial }: GivenCertificate): string {
  const who = address === undefined ? '' : ` to ${formatIpv4(address)}`;
  return `it was given${who} for the key SHA-256 ${keyFingerprint}, serial ${serial}`;
}

function subjectOf({ subject }: Entitlement): string {
  return [...subject.organizations.map((name) => `O=${name}`), `CN=${subject.commonName}`].join(', ');
}

function describeCertificate(signed: SignedCertificate, entitlement: Entitlement): string {
  const until = new Date(signed.notAfter).toISOString();
  return `the certificate ${signed.name}: ${subjectOf(entitlement)}, serial ${signed.serial}, until ${until}`;
}
