import type { MachineFacts } from '../machine/facts.ts';
import type { BootSession } from '../machine/session.ts';
import type { RouteDeps } from './answer.ts';
import type { PlanMemory } from './plan-memory.ts';
import type { BootablePlan } from './port.ts';

export type ChosenPlan =
  | {
      readonly kind: 'plan';
      readonly plan: BootablePlan;
      readonly reasons: readonly string[];
      /** The catalog gives it another role by now; this is the one that it was started as. */
      readonly isFormer: boolean;
    }
  | { readonly kind: 'refused'; readonly status: number; readonly line: string; readonly reason: string };

/**
 * The session's role as the catalog has it now, so that a mended template serves the next attempt. If the machine
 * was assigned another role meanwhile, this session keeps the one whose kernel runs; the new one needs a new boot.
 */
export async function choosePlan(
  deps: RouteDeps,
  plans: PlanMemory,
  session: BootSession,
  facts: MachineFacts,
): Promise<ChosenPlan> {
  // What was chosen from a menu is no other role than the menu.
  const now = await deps.plan(facts, session.role);
  if (now.kind !== 'boot') {
    return {
      kind: 'refused',
      status: 403,
      line: `this machine is no longer admitted; see: tinderbox machines ${session.mac}`,
      reason: `not admitted any more: ${now.reasons.join('; ')}`,
    };
  }
  if (session.role === undefined || session.role === now.role.name) {
    return { kind: 'plan', plan: now, reasons: now.reasons, isFormer: false };
  }
  const changed = `the machine is assigned role ${now.role.name} now; this session started as ${session.role}`;
  const then = plans.recall(session.id);
  if (then !== undefined)
    return { kind: 'plan', plan: then, reasons: [`${changed} and keeps it`], isFormer: true };
  return refuseFormer(`${changed}, whose templates are no longer in memory`);
}

/** For what a former role gives no right to any more: keys, certificates. */
export function refuseFormer(reason: string): Extract<ChosenPlan, { kind: 'refused' }> {
  return {
    kind: 'refused',
    status: 409,
    line: 'the role of this machine has changed since its kernel was loaded; power it off and on',
    reason,
  };
}

/** Clocks are corrected by some seconds now and then. What is younger than that was made by a clock that was set back. */
const CLOCK_TOLERANCE = 60_000;

/** Why a session, or its signing token, is too old for what it asks; undefined: it is not. */
export function findAge(
  deps: Pick<RouteDeps, 'sessionTime'>,
  session: BootSession,
  at: number,
): { readonly line: string; readonly reason: string } | undefined {
  // Not from its opening: a machine may have waited for its admission, or iPXE come back in the same session.
  const from = session.scriptAt ?? session.openedAt;
  if (at < from - CLOCK_TOLERANCE) {
    return {
      line: 'the clock of the server was set back since this URL was made; power the machine off and on',
      reason: `the URL of session ${session.id} is of ${new Date(from).toISOString()}, which is yet to come: the clock of this host was set back, and how old it is cannot be known`,
    };
  }
  const { signingUntil } = session;
  if (signingUntil !== undefined) {
    if (at < signingUntil) return undefined;
    return {
      line: 'this signing token has expired; another one is made with: tinderbox iso',
      reason: `the signing token of session ${session.id} was valid until ${new Date(signingUntil).toISOString()}`,
    };
  }
  const age = Math.round((at - from) / 1000);
  if (age <= deps.sessionTime) return undefined;
  return {
    line: 'this boot session has expired; power the machine off and on',
    reason: `the script of session ${session.id} is ${age} s old; configurations and certificates are given out for ${deps.sessionTime} s (http.sessionTime)`,
  };
}
