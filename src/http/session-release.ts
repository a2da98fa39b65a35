import { randomBytes } from 'node:crypto';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import { formatIpv4, type Ipv4 } from '../machine/ipv4.ts';
import type { BootSession } from '../machine/session.ts';
import type { SignedCertificate } from '../pki/port.ts';
import { configDocuments } from '../render/config-documents.ts';
import type { Release } from '../store/port.ts';
import { type Answer, type BootRequest, originIn, type RouteDeps, refuse } from './answer.ts';
import { parseByteRange } from './byte-range.ts';
import type { MachineCredentials } from './port.ts';
import {
  failRelease,
  type ReleaseInput,
  refuseOtherAddress,
  refuseRelease,
  refuseReleased,
} from './refuse-release.ts';
import { type HeldRelease, RELEASE_TIME, type ReleaseMemory } from './release-memory.ts';
import { ownerOf, storing } from './storing.ts';
import type { KeyedTurns } from './take-turns-by-key.ts';

/** What is being released, and who waits for it. */
export interface Releases {
  readonly memory: ReleaseMemory;
  readonly turns: KeyedTurns;
}

/**
 * A configuration that holds private keys: released to one complete response of its session. Until its last byte was
 * sent or ten minutes are over, the address that began may ask again, whole or in part; then it is gone, and who asks
 * again is refused and raises an alarm. That it was begun is on disk before the first byte leaves.
 */
export function answerRelease(
  deps: RouteDeps,
  { memory, turns }: Releases,
  request: BootRequest,
  input: ReleaseInput,
): Promise<Answer> {
  return turns.run(String(input.session.id), () => releaseInTurn(deps, memory, request, input));
}

async function releaseInTurn(
  deps: RouteDeps,
  memory: ReleaseMemory,
  request: BootRequest,
  input: ReleaseInput,
): Promise<Answer> {
  const { session, credentials } = input;
  const { remote } = request;
  if (remote === undefined)
    return refuseRelease(deps, request, input, 403, 'only an IPv4 address is given its keys');
  const held = memory.find(session.id);
  if (held !== undefined) {
    if (held.completed) return refuseReleased(deps, request, input, held.address, 'and sent whole');
    if (held.address !== remote) return refuseOtherAddress(deps, request, input, held.address);
    return serve(deps, memory, request, input, held, { isFresh: false });
  }
  try {
    const before = await storing(() => credentials.book.releaseOf(session.id));
    const no = before === undefined ? undefined : refuseSecond(deps, request, input, before, remote);
    if (no !== undefined) return no;
    ownerOf(deps, session.id);
    const made = await make(deps, request, input);
    const at = deps.clock();
    const owner = ownerOf(deps, session.id);
    const begun = await storing(() => credentials.book.beginRelease(owner, { begunAt: at, address: remote }));
    if (!begun) {
      const other = await storing(() => credentials.book.releaseOf(session.id));
      return refuseReleased(deps, request, input, other?.address, 'meanwhile');
    }
    const fresh: HeldRelease = {
      sessionId: session.id,
      address: remote,
      until: (before?.begunAt ?? at) + RELEASE_TIME,
      contentType: made.contentType,
      etag: `"${randomBytes(12).toString('hex')}"`,
      label: made.label,
      body: Buffer.from(made.body, 'utf8'),
      reached: 0,
      completed: false,
    };
    memory.hold(fresh);
    const again = before === undefined ? [] : ['begun before a restart and never sent whole: made anew'];
    const reasons = [...again, ...describeIssued(made.certificates), ...input.reasons];
    return serve(deps, memory, request, { ...input, reasons }, fresh, { isFresh: true });
  } catch (thrown) {
    return failRelease(deps, request, input, toTinderboxError(thrown));
  }
}

function refuseSecond(
  deps: RouteDeps,
  request: BootRequest,
  input: ReleaseInput,
  { begunAt, address, completedAt }: Release,
  remote: Ipv4,
): Answer | undefined {
  if (completedAt !== undefined) return refuseReleased(deps, request, input, address, 'and sent whole');
  const age = deps.clock() - begunAt;
  // A clock that was set back must not lengthen it.
  if (age < 0 || age >= RELEASE_TIME) {
    return refuseReleased(deps, request, input, address, 'and its ten minutes are over');
  }
  return address === remote ? undefined : refuseOtherAddress(deps, request, input, address);
}

interface Made {
  readonly body: string;
  readonly contentType: string;
  readonly label: string;
  readonly certificates: readonly SignedCertificate[];
}

async function make(deps: RouteDeps, request: BootRequest, input: ReleaseInput): Promise<Made> {
  const { credentials, plan, facts, session, sessionUrl } = input;
  const whose = { mac: session.mac, plan, remote: request.remote, sessionUrl };
  const render = (identity: ReturnType<MachineCredentials['sample']>) => {
    const context = deps.buildContext({ ...whose, facts, session, server: request.server, identity });
    const { body, contentType } = deps.renderer.renderConfig(plan.role, context);
    if (body.trim() === '') throw new TinderboxError('invalid-template', 'the template rendered to nothing');
    return { body, contentType };
  };
  // What is wrong with the template shows with samples, whose error may be told.
  render(credentials.sample(whose));
  const { identity, certificates } = await credentials.issue(whose);
  const title =
    plan.role.config === undefined ? 'configuration' : configDocuments(plan.role.config)[0]?.title;
  const label = `the ${title} of role ${plan.role.name} for ${plan.hostname}`;
  try {
    return { ...render(identity), label, certificates };
  } catch {
    throw new TinderboxError(
      'invalid-template',
      `role ${plan.role.name} renders with sample keys, but not with these; the reason is not told, since it may quote them`,
    );
  }
}

function serve(
  deps: RouteDeps,
  memory: ReleaseMemory,
  request: BootRequest,
  input: ReleaseInput,
  held: HeldRelease,
  { isFresh }: { readonly isFresh: boolean },
): Answer {
  const { session, credentials, reasons } = input;
  const size = held.body.length;
  const headers = {
    'content-type': held.contentType,
    'cache-control': 'no-store',
    'accept-ranges': 'bytes',
    etag: held.etag,
  };
  // A part of another text than the one that was begun would be none of this one.
  const isOfThis = !isFresh && (request.ifRange === undefined || request.ifRange === held.etag);
  const range = parseByteRange(isOfThis ? request.range : undefined, size);
  if (range.kind === 'unsatisfiable') {
    return {
      ...refuse(416, 'there is no such part'),
      headers: { ...headers, 'content-range': `bytes */${size}` },
    };
  }
  const { start, end } = range.kind === 'part' ? range : { start: 0, end: size };
  const isPart = range.kind === 'part';
  const what = `${isPart ? `bytes ${start}-${end - 1} of ` : ''}${held.label}, ${size} bytes`;
  deps.journal.record({
    ...originIn(deps, request, session),
    kind: 'http.config',
    outcome: 'answered',
    // First of all to whom: it is what an alarm is held against.
    answered: `released once, to ${formatIpv4(held.address)}: ${what}`,
    reasons: isFresh ? reasons : ['asked again, before it was sent whole', ...reasons],
    stage: 'config',
    ...(isFresh ? { evidence: 'giving' } : {}),
  });
  const joins = start <= held.reached;
  if (joins) held.reached = Math.max(held.reached, end);
  return {
    status: isPart ? 206 : 200,
    text: isPart ? held.body.subarray(start, end) : held.body,
    headers: isPart ? { ...headers, 'content-range': `bytes ${start}-${end - 1}/${size}` } : headers,
    delivered(whole) {
      const completes = whole && joins && end === size;
      if (held.completed) return;
      const until = new Date(held.until).toISOString();
      deps.journal.record({
        ...originIn(deps, request, session),
        kind: 'http.config',
        outcome: 'noted',
        answered: completes
          ? `its last byte was sent to ${formatIpv4(held.address)}`
          : whole
            ? 'a part was sent'
            : 'the connection was lost',
        reasons: [
          completes
            ? 'nobody is given it again in this boot session'
            : `the same address may resume it until ${until}`,
        ],
        ...(completes ? { evidence: 'giving' } : {}),
      });
      if (!completes) return;
      held.completed = true;
      void complete(deps, memory, credentials, session);
    },
  };
}

/** Until that is on disk, memory knows it. If it never is, the ten minutes end it. */
async function complete(
  deps: RouteDeps,
  memory: ReleaseMemory,
  { book }: MachineCredentials,
  { id, mac }: BootSession,
): Promise<void> {
  try {
    await book.completeRelease(id, deps.clock());
    memory.drop(id);
  } catch (thrown) {
    const err = toTinderboxError(thrown);
    deps.complain('release', 'error', { mac, err }, 'the end of a release could not be written');
  }
}

/** An event keeps few reasons, and of each so many characters: those of a controller are a dozen. */
const CERTIFICATES_A_REASON = 6;

function describeIssued(certificates: readonly SignedCertificate[]): readonly string[] {
  const reasons: string[] = [];
  for (let from = 0; from < certificates.length; from += CERTIFICATES_A_REASON) {
    const some = certificates.slice(from, from + CERTIFICATES_A_REASON);
    const until = new Date(Math.min(...some.map(({ notAfter }) => notAfter))).toISOString();
    const each = some.map(({ name, serial }) => `${name} ${serial}`).join(', ');
    reasons.push(`holds certificates (valid until ${until} or longer; each with its serial): ${each}`);
  }
  return reasons;
}
