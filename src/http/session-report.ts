import { summarizeHardware } from '../boot/read-hardware.ts';
import type { BootSession } from '../machine/session.ts';
import { type Answer, type BootRequest, originIn, type RouteDeps, refuse } from './answer.ts';
import { findSession } from './find-session.ts';
import { parseReport } from './parse-report.ts';

/**
 * `POST /boot/<session>/report`: the machine says how far it came, or what it is made of. Reports carry no secrets and do not expire: a
 * machine that took an hour is late, not lost. `installed` is `booted` of a role that installs to a disk, and uses up the `once:` that gave it. Where no cluster is configured `booted` is a session's last stage and
 * the journal ends it there.
 */
export async function answerSessionReport(
  deps: RouteDeps,
  request: BootRequest,
  token: string,
  body: string,
  query: Readonly<Record<string, unknown>>,
): Promise<Answer> {
  const found = findSession(deps, request, 'http.report', token);
  if (found.kind === 'refused') return found.answer;
  const observed = { ...originIn(deps, request, found.session), kind: 'http.report' } as const;
  const report = parseReport(body, query, observed.at);
  if (report.kind === 'bad') {
    deps.journal.record({
      ...observed,
      outcome: 'refused',
      answered: '400',
      reasons: [...found.notes, report.message],
    });
    return refuse(400, report.message);
  }
  if (report.kind === 'hardware') {
    const { hardware } = report;
    deps.journal.record({
      ...observed,
      kind: 'http.hardware',
      outcome: 'noted',
      answered: 'ok',
      reasons: [...found.notes, summarizeHardware(hardware)].filter((text) => text !== ''),
      hardware,
    });
    return { status: 200, text: 'ok\n' };
  }
  const logged = report.log.map((line) => `log: ${line}`);
  if (report.stage !== 'failed') {
    // Before it is recorded: that it is used up is on disk before the session's end is.
    const isUsed = usesOnceUp(deps, found.session, report.stage);
    deps.journal.record({
      ...observed,
      outcome: 'answered',
      answered: 'ok',
      reasons: [
        ...found.notes,
        report.stage === 'installed'
          ? 'the machine says that it has installed its system'
          : 'the machine says that it has booted',
        ...noteOnce(found.session, report.stage, isUsed),
        ...logged,
      ],
      stage: 'booted',
    });
  } else {
    const { mac } = found.session;
    deps.complain('report', 'warn', { mac }, 'a machine reports that it failed to boot');
    deps.journal.record({
      ...observed,
      outcome: 'noted',
      answered: 'ok',
      reasons: [...found.notes, 'the machine says that its boot failed', ...logged],
      failed: true,
    });
  }
  // It says so once: a daemon that is killed now must know it when it comes back.
  await deps.journal.written();
  try {
    await deps.once.written(found.session.mac);
  } catch {
    // What could not be written has been said; an installer that asks again may find a disk with room.
    return refuse(503, 'the report could not be written down; report again', { 'retry-after': '10' });
  }
  return { status: 200, text: 'ok\n' };
}

/** A Node's own report is not its last stage: that it is Ready is. An installer says it all. */
function usesOnceUp(deps: RouteDeps, session: BootSession, stage: 'booted' | 'installed'): boolean {
  const isLast = stage === 'installed' || (session.lastStage ?? 'booted') === 'booted';
  return isLast && deps.once.succeeds(session);
}

function noteOnce({ role }: BootSession, stage: 'booted' | 'installed', isUsed: boolean): readonly string[] {
  if (isUsed) return [`once: ${role} is used up with this`];
  if (stage === 'booted') return [];
  return [
    'no `once:` that is still to be used gave it this boot: what its role is, it installs again at its next boot unless another role boots its disk',
  ];
}
