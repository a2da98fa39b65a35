import { TinderboxError, toTinderboxError } from '../errors.ts';
import type { MachineFacts } from '../machine/facts.ts';
import type { BootSession } from '../machine/session.ts';
import { type Answer, type BootRequest, originOf, type RouteDeps, refuse } from './answer.ts';
import { findSession } from './find-session.ts';
import type { PlanMemory } from './plan-memory.ts';
import type { BootablePlan } from './port.ts';

/**
 * `GET /boot/<session>/cloud-config`: the machine's configuration, made at this moment. What cannot be rendered is
 * an error 500, never an empty text with 200: an empty cloud-config boots into a machine that nobody can enter.
 */
export async function answerSessionConfig(
  deps: RouteDeps,
  plans: PlanMemory,
  request: BootRequest,
  token: string,
): Promise<Answer> {
  const found = findSession(deps, request, 'http.config', token);
  if (found.kind === 'refused') return found.answer;
  const { session, notes } = found;
  const { mac } = session;
  const observed = { ...originOf(deps, request), kind: 'http.config', mac } as const;
  const refused = (status: number, line: string, reason: string): Answer => {
    deps.journal.record({
      ...observed,
      outcome: 'refused',
      answered: String(status),
      reasons: [...notes, reason],
    });
    return refuse(status, line);
  };

  // Not from its opening: a machine may have waited for its admission, or iPXE come back in the same session.
  const age = Math.round((observed.at - (session.scriptAt ?? session.openedAt)) / 1000);
  if (age > deps.sessionTime) {
    deps.journal.count('http.expired-session');
    return refused(
      410,
      'this boot session has expired; power the machine off and on',
      `the script of session ${session.id} is ${age} s old; configurations are given out for ${deps.sessionTime} s (http.sessionTime)`,
    );
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
  try {
    const sessionUrl = `${request.server.url}/boot/${token}`;
    const context = deps.buildContext({ plan, facts, session, server: request.server, sessionUrl });
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

type ChosenPlan =
  | { readonly kind: 'plan'; readonly plan: BootablePlan; readonly reasons: readonly string[] }
  | { readonly kind: 'refused'; readonly status: number; readonly line: string; readonly reason: string };

/**
 * The session's role as the catalog has it now, so that a mended template serves the next attempt. If the machine
 * was assigned another role meanwhile, this session keeps the one whose kernel runs; the new one needs a new boot.
 */
async function choosePlan(
  deps: RouteDeps,
  plans: PlanMemory,
  session: BootSession,
  facts: MachineFacts,
): Promise<ChosenPlan> {
  const now = await deps.plan(facts);
  if (now.kind !== 'boot') {
    return {
      kind: 'refused',
      status: 403,
      line: `this machine is no longer admitted; see: tinderbox machines ${session.mac}`,
      reason: `not admitted any more: ${now.reasons.join('; ')}`,
    };
  }
  if (session.role === undefined || session.role === now.role.name) {
    return { kind: 'plan', plan: now, reasons: now.reasons };
  }
  const changed = `the machine is assigned role ${now.role.name} now; this session started as ${session.role}`;
  const then = plans.recall(session.id);
  if (then !== undefined) return { kind: 'plan', plan: then, reasons: [`${changed} and keeps it`] };
  return {
    kind: 'refused',
    status: 409,
    line: 'the role of this machine has changed since its kernel was loaded; power it off and on',
    reason: `${changed}, whose templates are no longer in memory`,
  };
}
