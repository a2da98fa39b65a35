import { toTinderboxError } from '../errors.ts';
import { currentActor } from './access/current-actor.ts';
import type { ApproveView, AssignView, ForgetView, LogChange } from './api.ts';
import type { AdminServerOptions } from './port.ts';
import type { PowerView } from './power-api.ts';
import { problemOf } from './problem.ts';

interface Change {
  readonly action: string;
  readonly target?: string;
}

/**
 * The same options, but whatever changes something is recorded with who asked for it, done or not: the one place where
 * that happens, whichever route or page it came by.
 */
export function auditChanges(options: AdminServerOptions): AdminServerOptions {
  async function audited<Result>(
    change: Change,
    work: () => Promise<Result>,
    describe: (result: Result) => string,
  ): Promise<Result> {
    const base = { at: options.clock(), actor: currentActor(), ...change } as const;
    try {
      const result = await work();
      options.audit.record({ ...base, outcome: 'done', detail: describe(result) });
      return result;
    } catch (thrown) {
      const { status, detail } = problemOf(toTinderboxError(thrown));
      options.audit.record({ ...base, outcome: status >= 500 ? 'failed' : 'refused', detail });
      throw thrown;
    }
  }
  const { access } = options;
  return {
    ...options,
    assign: (request) =>
      audited({ action: 'assign', target: request.mac }, () => options.assign(request), describeAssign),
    approve: (request) =>
      audited({ action: 'approve', target: request.mac }, () => options.approve(request), describeApprove),
    forget: (mac) => audited({ action: 'forget', target: mac }, () => options.forget(mac), describeForget),
    makeSigningToken: (request) =>
      audited(
        { action: 'signing-token', target: request.mac },
        () => options.makeSigningToken(request),
        () => `signing requests are answered for ${request.days} day(s)`,
      ),
    power: (mac, action, how) =>
      // Who asks changes nothing.
      action === 'status'
        ? options.power(mac, action, how)
        : audited(
            { action: `power-${action}`, target: mac },
            () => options.power(mac, action, how),
            describePower,
          ),
    queue: {
      ...options.queue,
      first: (mac) =>
        audited(
          { action: 'queue-first', target: mac },
          () => options.queue.first(mac),
          ({ counts }) => `it is the next of ${counts.waiting} that wait`,
        ),
    },
    reload: () =>
      audited({ action: 'reload' }, options.reload, ({ generation, problems }) =>
        problems.length === 0
          ? `generation ${generation} is in force`
          : `${problems.length} problem(s): generation ${generation} stays`,
      ),
    log: {
      view: () => options.log.view(),
      change(change) {
        const view = options.log.change(change);
        const base = { at: options.clock(), actor: currentActor(), action: 'log', outcome: 'done' } as const;
        options.audit.record({ ...base, detail: describeLog(change) });
        return view;
      },
    },
    copyDatabase: () =>
      audited(
        { action: 'backup' },
        options.copyDatabase,
        ({ size }) => `a copy of the database, ${size} bytes`,
      ),
    ...(access === undefined
      ? {}
      : {
          access: {
            ...access,
            token: {
              ...access.token,
              renew: () =>
                audited(
                  { action: 'token-renew' },
                  () => access.token.renew(),
                  () => 'every browser has to sign in again',
                ),
            },
          },
        }),
  };
}

function describeAssign({ before, role, once, hostname, changed }: AssignView): string {
  const now = `role: ${role ?? 'none'}${once === undefined ? '' : `, once: ${once}`}`;
  if (!changed) return `${now}: its entry said so already`;
  const roles = before === role ? now : now.replace('role: ', `role: ${before ?? 'none'} → `);
  return `${roles}${hostname === undefined ? '' : `, hostname: ${hostname}`}`;
}

function describeApprove({ before, role, hostname, changed }: ApproveView): string {
  const what = `boots ${role} as ${hostname}`;
  if (!changed) return `${what}: it had this entry already`;
  return before === undefined ? what : `${what}; its role was ${before}`;
}

function describeForget({ entry, place, history, nodes }: ForgetView): string {
  const gone = [
    ...(entry ? ['its entry'] : []),
    ...(place ? ['its place'] : []),
    ...(history === 'forgotten' ? ['its history'] : []),
    ...nodes.filter(({ state }) => state === 'deleted').map(({ name }) => `the Node ${name}`),
  ];
  return gone.length === 0 ? 'there was nothing of it' : `removed ${gone.join(', ')}`;
}

function describePower({ kind, state, did, notes }: PowerView): string {
  return [`${did} (${kind})`, ...(state === undefined ? [] : [`it was ${state}`]), ...notes].join('; ');
}

function describeLog({ reset, level, part, trace, seconds }: LogChange): string {
  const said = [
    ...(reset === true ? ['as it started'] : []),
    ...(level === undefined
      ? []
      : [`level ${level}${part === undefined ? '' : ` of ${part}`} for ${seconds} s`]),
    ...(trace === undefined ? [] : [`trace of ${trace} for ${seconds} s`]),
  ];
  return said.join(', ');
}
