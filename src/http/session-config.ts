import { TinderboxError, toTinderboxError } from '../errors.ts';
import { type Answer, type BootRequest, originIn, type RouteDeps, refuse } from './answer.ts';
import { choosePlan, findAge, refuseFormer } from './choose-plan.ts';
import { findSession } from './find-session.ts';
import type { PlanMemory } from './plan-memory.ts';
import { answerRelease, type Releases } from './session-release.ts';

/**
 * `GET /boot/<session>/cloud-config`: the machine's configuration, made at this moment. What cannot be rendered is
 * an error 500, never an empty text with 200: an empty cloud-config boots into a machine that nobody can enter.
 */
export async function answerSessionConfig(
  deps: RouteDeps,
  plans: PlanMemory,
  releases: Releases,
  request: BootRequest,
  token: string,
): Promise<Answer> {
  const found = findSession(deps, request, 'http.config', token);
  if (found.kind === 'refused') return found.answer;
  const { session, notes } = found;
  const { mac } = session;
  const observed = { ...originIn(deps, request, session), kind: 'http.config' } as const;
  const refused = (status: number, line: string, reason: string): Answer => {
    deps.journal.record({
      ...observed,
      outcome: 'refused',
      answered: String(status),
      reasons: [...notes, reason],
    });
    return refuse(status, line);
  };

  if (session.signingUntil !== undefined) {
    // Else whoever finds an image could have what its machine may be given only once.
    return refused(
      403,
      'this URL is for signing requests only; the configuration of its machine is on the image',
      'it was asked for with a signing token, which gives no configuration',
    );
  }
  const old = findAge(deps, session, observed.at);
  if (old !== undefined) {
    deps.journal.count('http.expired-session');
    return refused(410, old.line, old.reason);
  }
  const facts = deps.journal.machine(mac) ?? { mac };
  const chosen = await choosePlan(deps, plans, session, facts);
  if (chosen.kind === 'refused') return refused(chosen.status, chosen.line, chosen.reason);
  const { plan, reasons } = chosen;
  if (plan.role.config === undefined) {
    return refused(
      404,
      `role ${plan.role.name} has no configuration; remove the URL from its kernel arguments`,
      `role ${plan.role.name} has no config in ${plan.role.file}`,
    );
  }
  const sessionUrl = `${request.server.url}/boot/${token}`;
  if (deps.credentials?.releasesSecrets(plan.role) === true) {
    if (chosen.isFormer) {
      const { status, line, reason } = refuseFormer(`${reasons.join('; ')}, but gets no keys of it`);
      return refused(status, line, reason);
    }
    return answerRelease(deps, releases, request, {
      credentials: deps.credentials,
      session,
      plan,
      facts,
      sessionUrl,
      reasons: [...notes, ...reasons],
    });
  }
  try {
    const context = deps.buildContext({
      plan,
      facts,
      session,
      server: request.server,
      sessionUrl,
      remote: request.remote,
    });
    const { body: text, contentType } = deps.renderer.renderConfig(plan.role, context);
    if (text.trim() === '') throw new TinderboxError('invalid-template', 'the template rendered to nothing');
    deps.journal.record({
      ...observed,
      outcome: 'answered',
      answered: `the ${plan.role.config.format} of role ${plan.role.name} for ${plan.hostname}, ${Buffer.byteLength(text)} bytes`,
      reasons: [...notes, ...reasons],
      stage: 'config',
    });
    return { status: 200, text, headers: { 'content-type': contentType, 'cache-control': 'no-store' } };
  } catch (thrown) {
    const error = toTinderboxError(thrown);
    const role = plan.role.name;
    deps.complain('config', 'error', { mac, role, err: error }, 'the configuration could not be rendered');
    deps.journal.record({
      ...observed,
      outcome: 'failed',
      answered: '500',
      reasons: [
        ...notes,
        `the configuration of role ${plan.role.name} could not be rendered: ${error.message}`,
      ],
    });
    return refuse(500, `the configuration could not be rendered; see: tinderbox machines ${mac}`);
  }
}
