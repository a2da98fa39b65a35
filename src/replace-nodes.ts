import { type NodeBoot, whyOfEarlierBoot } from './boot/judge-node.ts';
import { isOtherHardware } from './boot/match-node.ts';
import { whyNodeIsReplaced } from './boot/node-registration.ts';
import type { NodeState, NodeWatcher } from './cluster/port.ts';
import { type TinderboxError, toTinderboxError } from './errors.ts';
import { leftOver } from './forget-machine.ts';
import type { BootEvent } from './machine/event.ts';
import { parseIpv4 } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import type { BootSession } from './machine/session.ts';
import { stageReached } from './machine/stage.ts';
import type { Journal } from './store/port.ts';

export interface NodeReplacerOptions {
  readonly journal: Pick<Journal, 'record' | 'sessionOf' | 'machine' | 'hostnameHolder' | 'macAt'>;
  readonly watcher: Pick<NodeWatcher, 'deleteNode' | 'status'>;
  /** Of each of these machines, the Nodes that are it; with the name that its former Node is to have. */
  readonly nodesByMachine: (
    wanted: ReadonlyMap<Mac, string | undefined>,
  ) => ReadonlyMap<Mac, readonly NodeState[]>;
  readonly bootOf: (nodeName: string) => NodeBoot | undefined;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Asks for `look` to be called, soon. */
  readonly lookAgain: () => void;
}

export interface NodeReplacer {
  /** Whether there may be a Node to replace. */
  hear(event: BootEvent): boolean;
  /** As if the session's configuration had been handed out just now: after a restart nobody remembers that it was. */
  resume(session: BootSession): void;
  /** Whether its Node is being deleted at this moment, which is told when it is. */
  isReplacing(session: BootSession): boolean;
  /** To be called when something may have changed: of a machine, or of a Node. */
  look(): void;
}

/** One machine whose Node is to be replaced, for as long as its session is the newest. */
interface Task {
  readonly sessionId: number;
  attempts: number;
  /** Deleting, or done with. */
  state: 'open' | 'deleting' | 'done';
  toldLeft: boolean;
}

/** How often the API server is asked to delete a Node in one boot session: never in a loop. */
const MAX_ATTEMPTS = 3;
/** Deletions at the same time, of a hall that changes its role at once. */
const MAX_DELETING = 8;

/**
 * Deletes the Node that a machine's boot before registered, where this boot is to register another one (another role,
 * other labels, another name): as soon as its configuration or a certificate was handed out, when the kubelet of before
 * is gone and that of this boot has not started. What cannot be deleted is told with the command; no boot waits for it.
 */
export function createNodeReplacer(options: NodeReplacerOptions): NodeReplacer {
  const { journal, watcher, nodesByMachine, bootOf, now, lookAgain } = options;
  const tasks = new Map<Mac, Task>();
  let deleting = 0;

  function watch(session: BootSession): boolean {
    if (tasks.get(session.mac)?.sessionId === session.id) return true;
    if (whyNodeIsReplaced(session) === undefined) return false;
    tasks.set(session.mac, { sessionId: session.id, attempts: 0, state: 'open', toldLeft: false });
    return true;
  }

  function look(): void {
    const open: { readonly task: Task; readonly session: BootSession; readonly why: string }[] = [];
    for (const [mac, task] of tasks) {
      const session = journal.sessionOf(mac);
      if (session?.id !== task.sessionId || session.end === 'ready') tasks.delete(mac);
      else if (task.state === 'open') {
        const why = whyNodeIsReplaced(session);
        if (why === undefined) task.state = 'done';
        else open.push({ task, session, why });
      }
    }
    if (open.length === 0) return;
    const { state, synced } = watcher.status();
    if (state === 'connecting') return;
    if (!synced || state !== 'watching') {
      for (const { task, session, why } of open) {
        tellLeft(task, session, [nameOf(session)], why, 'the API server does not answer at the moment');
      }
      return;
    }
    const found = nodesByMachine(new Map(open.map(({ session }) => [session.mac, nameOf(session)])));
    for (const { task, session, why } of open) {
      const nodes = (found.get(session.mac) ?? []).filter((node) => isItsOwn(node, session));
      const old = nodes.flatMap((node) => {
        const boot = bootOf(node.name);
        const whyOld = boot === undefined ? undefined : whyOfEarlierBoot(boot, session);
        return whyOld === undefined ? [] : [{ node, whyOld }];
      });
      if (old.length === 0) {
        task.state = 'done';
        const names = nodes.map(({ name }) => name);
        const sooner = 'the kubelet of this boot registered before it was';
        if (task.attempts > 0 && names.length > 0) tellLeft(task, session, names, why, sooner);
      } else if (deleting < MAX_DELETING) void replace(task, session, why, old);
    }
  }

  async function replace(
    task: Task,
    session: BootSession,
    why: string,
    old: readonly { readonly node: NodeState; readonly whyOld: string }[],
  ): Promise<void> {
    task.state = 'deleting';
    task.attempts++;
    deleting++;
    const left: string[] = [];
    const gone: string[] = [];
    let problem: TinderboxError | undefined;
    for (const { node } of old) {
      try {
        // Only as it was seen: once the kubelet of this boot has written it, it stays.
        if ((await watcher.deleteNode(node.name, node.version)) === 'deleted') gone.push(node.name);
      } catch (thrown) {
        problem = toTinderboxError(thrown);
        left.push(node.name);
      }
    }
    deleting--;
    const isSame = journal.sessionOf(session.mac)?.id === session.id;
    if (isSame && gone.length > 0 && left.length === 0) {
      record(session, 'node.deleted', gone, [
        why,
        'a kubelet does not apply labels and taints to a Node that exists, nor does it remove one of another name',
        ...old.map(({ whyOld }) => whyOld),
      ]);
    }
    const again = task.attempts < MAX_ATTEMPTS;
    if (isSame && problem !== undefined && !(again && problem.code === 'busy')) {
      tellLeft(task, session, left, why, problem.message);
    }
    task.state = left.length > 0 && again ? 'open' : 'done';
    if (problem?.code === 'busy' || deleting === MAX_DELETING - 1) lookAgain();
  }

  /**
   * By a name that it was given: what a Node says of its hardware is only said. Another machine may bear the name by
   * now, and have no Node of its own yet.
   */
  function isItsOwn({ name, systemUuid }: NodeState, session: BootSession): boolean {
    const { mac, registration } = session;
    const isNow = name === registration?.nodeName;
    if (!isNow && name !== nameOf(session)) return false;
    const address = parseIpv4(name);
    const holder = address === undefined ? journal.hostnameHolder(name) : journal.macAt(address);
    if (holder !== undefined && holder !== mac) return false;
    return isNow || !isOtherHardware(systemUuid, journal.machine(mac)?.uuid);
  }

  function tellLeft(
    task: Task,
    session: BootSession,
    names: readonly (string | undefined)[],
    why: string,
    problem: string,
  ): void {
    if (task.toldLeft) return;
    task.toldLeft = true;
    const known = names.filter((name) => name !== undefined);
    record(session, 'node.left', known, [
      why,
      problem,
      'if it is there still when the kubelet registers, it keeps its old labels and taints; then:',
      ...known.map((name) => leftOver(name).command ?? ''),
      'and reboot the machine, or restart its kubelet',
    ]);
  }

  function record(
    { mac }: BootSession,
    kind: 'node.deleted' | 'node.left',
    names: readonly string[],
    reasons: readonly string[],
  ): void {
    const what = `the Node ${names.join(', ')} of this machine's boot before`;
    const isGone = kind === 'node.deleted';
    journal.record({
      at: now(),
      kind,
      mac,
      outcome: isGone ? 'noted' : 'failed',
      asked: isGone ? `${what} was deleted` : `${what} could not be deleted`,
      answered: '',
      reasons,
    });
  }

  return {
    hear({ kind, outcome, mac, sessionId }) {
      if (mac === undefined || outcome !== 'answered') return false;
      if (kind !== 'http.config' && kind !== 'http.csr') return false;
      const session = journal.sessionOf(mac);
      return session !== undefined && session.id === sessionId && watch(session);
    },
    resume(session) {
      if (session.end === undefined && stageReached(session.stage, 'config')) watch(session);
    },
    isReplacing({ id, mac }) {
      const task = tasks.get(mac);
      return task?.sessionId === id && task.state === 'deleting';
    },
    look,
  };
}

function nameOf({ formerRegistration }: BootSession): string | undefined {
  return formerRegistration?.nodeName;
}
