import { toTinderboxError } from '../errors.ts';
import type { MachineFacts } from '../machine/facts.ts';
import type { Mac } from '../machine/mac.ts';
import type { Role } from '../machine/role.ts';
import type { BootSession } from '../machine/session.ts';
import type { Observation } from '../store/port.ts';
import { type Answer, type BootRequest, originOf, type RouteDeps, refuse } from './answer.ts';
import { noteHardware, withoutHardware } from './note-hardware.ts';
import { parseBootQuery } from './parse-boot-query.ts';
import type { PlanMemory } from './plan-memory.ts';
import type { BootablePlan } from './port.ts';
import { ipxeLanguage, type ScriptLanguage } from './script-language.ts';
import { askTurn, type BootTurn, measureFiles, reasonToWait } from './wait-turn.ts';

/** A machine that waits is soon seen after its approval; one that is refused waits for an edit. */
const WAIT_SECONDS = 5;
const REFUSED_SECONDS = 30;

/**
 * `GET /ipxe?mac=…` and `GET /grub.cfg?mac=…`: decides what this machine boots and answers with its script, in the
 * language of its loader. A machine that has to wait, is refused or has a broken role gets a script too (status 200):
 * iPXE and GRUB show what a script says, but no error's text.
 */
export async function answerMachineScript(
  deps: RouteDeps,
  plans: PlanMemory,
  request: BootRequest,
  query: Readonly<Record<string, unknown>>,
  language = ipxeLanguage(deps, request),
  isMeasured = false,
): Promise<Answer> {
  const parsed = parseBootQuery(query, deps.clock());
  if (parsed.kind === 'bad') {
    deps.journal.count('http.bad-boot-query');
    return refuse(400, parsed.message);
  }
  const { mac } = parsed.facts;
  if (request.remote !== undefined) deps.journal.learnAddress(request.remote, mac);
  const known = deps.journal.machine(mac);
  const learned: MachineFacts = {
    ...parsed.facts,
    // What it said when it asked before is not said any more.
    ...(parsed.facts.labels === undefined && known?.labels !== undefined ? { labels: {} } : {}),
    ...(request.remote === undefined ? {} : { address: request.remote }),
  };
  const facts: MachineFacts = { ...known, ...learned };
  deps.once.arrives(mac, deps.clock());
  let plan = await deps.plan(facts, parsed.choice);
  // Others were planned meanwhile. From this check to the record nothing waits, so that no two machines get the same
  // made-up name. One that the operator gave stays: whoever had it has been given another one.
  while (plan.kind === 'boot' && isHeldByAnother(deps, plan.hostname, mac)) {
    const { hostname } = plan;
    plan = await deps.plan(facts, parsed.choice);
    if (plan.kind === 'boot' && plan.hostname === hostname) break;
  }
  const observed: Omit<Observation, 'outcome' | 'answered' | 'reasons'> = {
    ...originOf(deps, request),
    asked: withoutHardware(request.asked),
    kind: 'http.script',
    mac,
    facts: learned,
    client: 'script',
  };
  const { choice } = parsed;
  const isUnheeded = choice !== undefined && plan.kind === 'boot' && plan.role.name !== choice;
  const unheeded = isUnheeded ? [`its choice ${choice} is none that a menu offers it: not heeded`] : [];
  const reasons = [...parsed.notes, ...unheeded, ...plan.reasons];

  if (plan.kind === 'boot') {
    const told = { ...observed, reasons };
    let answer = boot(deps, plans, request, plan, facts, told, language, isMeasured);
    if ('kind' in answer && answer.kind === 'unknown') {
      await measureFiles(deps, answer.paths);
      // Others were planned meanwhile, as above. Not planned anew without need: a rule with `max` has admitted it by now.
      if (!isHeldByAnother(deps, plan.hostname, mac))
        answer = boot(deps, plans, request, plan, facts, told, language, true);
    }
    if ('kind' in answer && answer.kind === 'unknown')
      return answerMachineScript(deps, plans, request, query, language, true);
    noteHardware(deps, request, mac, parsed.hardware);
    if ('kind' in answer) {
      noteWait(deps, told, answer);
      const { message, seconds } = answer;
      return { status: 200, text: language.wait({ message, facts, seconds, isBrief: true, choice }) };
    }
    // Its URLs are of no use if a daemon that is killed now knows nothing of the session when it comes back.
    await deps.journal.written(mac);
    return plan.once === undefined ? answer : await countedOrRefused(deps, facts, answer, language);
  }
  deps.queue?.leave(mac);
  const waits = plan.kind === 'wait';
  const answered = waits ? `wait: ${plan.message}` : plan.message;
  deps.journal.record({ ...observed, outcome: 'refused', answered, reasons, waits });
  noteHardware(deps, request, mac, parsed.hardware);
  if (plan.kind === 'refuse' && plan.holder !== undefined) {
    deps.complain('hostname', 'warn', { mac, holder: plan.holder }, plan.message);
  }
  const { message } = plan;
  const text = waits
    ? language.wait({ message, facts, seconds: WAIT_SECONDS })
    : language.refusal({ message, seconds: REFUSED_SECONDS, labels: facts.labels });
  return { status: 200, text };
}

/** Not each time that it asks: when it begins to wait, has come half as near, and now and then. */
function noteWait(
  deps: RouteDeps,
  observed: Omit<Observation, 'outcome' | 'answered'>,
  { said }: Extract<BootTurn, { kind: 'wait' }>,
): void {
  if (said === undefined) return;
  const reasons = [reasonToWait(deps), ...observed.reasons];
  deps.journal.record({ ...observed, outcome: 'noted', answered: said, reasons, queued: true });
}

/** A boot that is not counted on disk could be one of a loop that wipes a disk each time. */
async function countedOrRefused(
  deps: RouteDeps,
  { mac, labels }: MachineFacts,
  answer: Answer,
  language: ScriptLanguage,
): Promise<Answer> {
  try {
    await deps.once.written(mac);
    return answer;
  } catch (thrown) {
    const { message } = toTinderboxError(thrown);
    deps.complain('once', 'error', { mac }, 'a boot by a `once:` could not be written down, and is refused');
    const said = `that this machine boots this role once could not be written down (${message}); it is not begun`;
    return { status: 200, text: language.refusal({ message: said, seconds: REFUSED_SECONDS, labels }) };
  }
}

function isHeldByAnother(deps: RouteDeps, hostname: string, mac: Mac): boolean {
  const holder = deps.journal.hostnameHolder(hostname);
  return holder !== undefined && holder !== mac;
}

function boot(
  deps: RouteDeps,
  plans: PlanMemory,
  request: BootRequest,
  plan: BootablePlan,
  facts: MachineFacts,
  observed: Omit<Observation, 'outcome' | 'answered'>,
  language: ScriptLanguage,
  isMeasured: boolean,
): Answer | Exclude<BootTurn, { kind: 'go' }> {
  let mirrorReasons: readonly string[] = [];
  const render = (session: BootSession): string => {
    const sessionUrl = `${request.server.url}/boot/${deps.sessionTokens.tokenFor(session)}`;
    const context = deps.buildContext({
      plan,
      facts,
      session,
      server: request.server,
      sessionUrl,
      remote: request.remote,
      loader: language.loader,
    });
    mirrorReasons = context.mirrorReasons ?? [];
    return language.boot({ role: plan.role, context, hostname: plan.hostname });
  };
  const fail = (thrown: unknown): Answer => {
    const error = toTinderboxError(thrown);
    const { mac } = facts;
    deps.complain('script', 'error', { mac, role: plan.role.name, err: error }, 'the machine script failed');
    deps.journal.record({
      ...observed,
      outcome: 'failed',
      answered: 'a script that says so',
      reasons: [...observed.reasons, `role ${plan.role.name} has no working script: ${error.message}`],
    });
    const message = `the script of this machine could not be made; see: tinderbox machines ${facts.mac}`;
    const { labels } = facts;
    return { status: 200, text: language.refusal({ message, seconds: REFUSED_SECONDS, labels }) };
  };

  // Rendered before it is recorded, so that the one event says what came of it. The record itself may open a new
  // session (this machine's DHCP never came by here, or it was reset): then the text is made anew with its token.
  const expected = deps.journal.sessionOf(facts.mac) ?? provisionalSession(facts, observed.at);
  let text: string;
  try {
    text = render(expected);
  } catch (error) {
    return fail(error);
  }
  // A boot that waits is none yet: no `once:` is tried by it, and nothing of it is remembered.
  const turn = askTurn(deps, request, facts.mac, expected, isMeasured);
  if (turn.kind !== 'go') return turn;
  const registration = deps.registration?.({ mac: facts.mac, plan, remote: request.remote });
  const session = deps.journal.record({
    ...observed,
    outcome: 'answered',
    answered: `the script of role ${plan.role.name} for ${plan.hostname}`,
    reasons: [...turn.reasons, ...observed.reasons, ...mirrorReasons],
    stage: 'script',
    // A GRUB that came by HTTP boot asks for the length first (HEAD, seen with 2.12), and then for the script.
    ...(endsWithScript(plan.role) && request.method !== 'HEAD' ? { end: 'handed-over' } : {}),
    assigned: {
      role: plan.role.name,
      hostname: plan.hostname,
      lastStage: deps.joinsCluster(plan.role) ? 'ready' : 'booted',
      ...(request.remote === undefined ? {} : { address: request.remote }),
      ...(registration === undefined ? {} : { registration }),
    },
  });
  if (session === undefined) {
    deps.journal.count('http.no-session');
    return refuse(503, 'there is no room for another boot session; try again', { 'retry-after': '10' });
  }
  if (plan.once !== undefined) deps.once.tries(plan.once, session);
  plans.remember(session.id, plan);
  if (session.id === expected.id) return { status: 200, text };
  try {
    return { status: 200, text: render(session) };
  } catch (error) {
    return fail(error);
  }
}

/**
 * Nothing more is heard of a machine that boots its own disk, or tests its memory. From a menu it comes back with what
 * was chosen, in the same session.
 */
function endsWithScript({ boot: action }: Role): boolean {
  return action.kind === 'local' || (action.kind === 'kernel' && action.handsOver === true);
}

/** Stands in for a session that is about to open; its token is never sent. */
function provisionalSession(facts: MachineFacts, at: number): BootSession {
  return { id: 0, mac: facts.mac, openedAt: at, updatedAt: at, stage: 'discovered', stageTimes: {} };
}
