import { judgeNode, type NodeBoot, type NodeVerdict, rememberBoot } from './boot/judge-node.ts';
import { indexMachines, type MatchCandidate, matchNode } from './boot/match-node.ts';
import { mayDelete } from './boot/may-delete.ts';
import type { ClusterCredentials, NodeState, NodeWatcher } from './cluster/port.ts';
import { createNodeWatcher, type NodeWatcherOptions } from './cluster/watch-nodes.ts';
import type { Config } from './config/port.ts';
import { TinderboxError } from './errors.ts';
import type { Logger } from './logger.ts';
import type { BootEvent } from './machine/event.ts';
import type { MachineFacts } from './machine/facts.ts';
import { type Ipv4, parseIpv4 } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import type { BootSession } from './machine/session.ts';
import { stageReached } from './machine/stage.ts';
import { createNodeReplacer } from './replace-nodes.ts';
import type { JoiningMachine, Journal, Observation } from './store/port.ts';

export interface ClusterWiring {
  readonly config: Config;
  readonly journal: Journal;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** A fresh certificate of the watcher, and whom to believe. */
  readonly credentials: () => Promise<ClusterCredentials>;
  readonly watcher?: Partial<Pick<NodeWatcherOptions, 'random' | 'pause' | 'times'>>;
  /** What changes within so many ms is looked at together. */
  readonly settleTime?: number;
}

/** A Node that is a machine. */
export interface OwnNode extends NodeState {
  /** False: its name is not this machine's alone, so that only the operator can tell whether it may go. */
  readonly mayDelete: boolean;
}

export interface ClusterWatch extends AsyncDisposable, Pick<NodeWatcher, 'deleteNode' | 'status' | 'nodes'> {
  /** The Nodes that are this machine, also one that has become something else; to be asked before it is forgotten. */
  nodesOf(mac: Mac): readonly OwnNode[];
  stop(): Promise<void>;
}

/** A Node that is a machine, and what it says of that machine's session. */
interface Claim {
  readonly node: NodeState;
  readonly boot: NodeBoot;
  readonly verdict: NodeVerdict;
  readonly reasons: readonly string[];
}

const SETTLE_TIME = 200;
/** Lines of Nodes that may be several machines: one in so many ms. */
const SAY_AGAIN = 1_000;
/** A comparison of 5,000 Nodes with 20,000 machines takes tens of milliseconds: it has a twentieth of the time at most. */
const SHARE = 20;

/**
 * Joins what the API server says of Nodes to the boot sessions of their machines. Whatever changed, all Nodes are laid
 * to machines anew, and what differs from the sessions is recorded: nothing is lost with a message that was missed.
 * Throws TinderboxError `invalid-config` where no cluster is configured. Does not wait for the API server.
 */
export function startClusterOn(wiring: ClusterWiring): ClusterWatch {
  const { config, journal, logger, now, settleTime = SETTLE_TIME } = wiring;
  if (config.cluster === undefined) {
    throw new TinderboxError('invalid-config', `${config.file} has no cluster to watch`);
  }
  const boots = new Map<string, NodeBoot>();
  /** What was last told of a machine's Node, in its present session: each thing once. */
  let told = new Map<Mac, { readonly sessionId: number; readonly what: string }>();
  let saidUnclear = new Set<string>();
  let saidAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  /** In ms. */
  let lastCost = 0;
  let stopped = false;

  const watcher = createNodeWatcher({
    apiServer: config.cluster.apiServer,
    credentials: wiring.credentials,
    logger,
    clock: now,
    statusChanged: schedule,
    changed(name, node) {
      // At once, since it is the time that counts.
      if (node === undefined) boots.delete(name);
      else boots.set(name, rememberBoot(boots.get(name), node.bootId, now()));
      schedule();
    },
    ...wiring.watcher,
  });

  function schedule(): void {
    if (stopped) return;
    timer ??= setTimeout(
      () => {
        timer = undefined;
        const began = performance.now();
        replacer.look();
        compare();
        lastCost = performance.now() - began;
      },
      Math.max(settleTime, lastCost * SHARE),
    );
    timer.unref();
  }

  function hear(event: BootEvent): void {
    const { kind, stage, mac, sessionId } = event;
    if (mac === undefined) return;
    if (kind === 'node.deleted' && sessionId !== undefined) told.set(mac, { sessionId, what: 'deleted' });
    if (kind.startsWith('node.')) return;
    if (replacer.hear(event)) schedule();
    else if (stage !== undefined && stageReached(stage, 'script')) schedule();
  }

  function joining(): Map<Mac, JoiningMachine> {
    const machines = new Map<Mac, JoiningMachine>();
    for (const machine of journal.joiningMachines()) machines.set(machine.session.mac, machine);
    return machines;
  }

  function compare(): void {
    const machines = joining();
    const { claims, contested } = layNodes(machines);
    const before = told;
    told = new Map();
    for (const [mac, { session }] of machines) {
      const known = before.get(mac);
      const last = known?.sessionId === session.id ? known.what : undefined;
      const what = settle(session, claims.get(mac) ?? [], last, contested.has(mac)) ?? last;
      if (what !== undefined) told.set(mac, { sessionId: session.id, what });
    }
  }

  function layNodes(machines: ReadonlyMap<Mac, JoiningMachine>) {
    const claims = new Map<Mac, Claim[]>();
    const contested = new Set<Mac>();
    const unclear = new Map<string, readonly string[]>();
    const nodes = watcher.nodes();
    // A rack that powers on has no Node yet, and thousands of machines that would be indexed for none.
    const index = indexMachines(nodes.size === 0 ? [] : candidatesOf(machines), (address) =>
      journal.macAt(address),
    );
    for (const node of nodes.values()) {
      const { mac, contenders, namesakes, reasons } = matchNode(node, index);
      const session = mac === undefined ? undefined : machines.get(mac)?.session;
      const boot = boots.get(node.name);
      if (mac !== undefined && session !== undefined && boot !== undefined) {
        const verdict = judgeNode(node, boot, session);
        const claim: Claim = { node, boot, verdict, reasons: [...verdict.reasons, ...reasons] };
        claims.set(mac, [...(claims.get(mac) ?? []), claim]);
      }
      // A UUID is only said. A Node that says a dead machine's must not keep that one ready for good.
      for (const namesake of namesakes) contested.add(namesake);
      if (contenders.length > 0) unclear.set(node.name, reasons);
    }
    sayUnclear(unclear);
    return { claims, contested };
  }

  /** Each once, for as long as it is unclear; but a Node may change what it says all the time. */
  function sayUnclear(unclear: ReadonlyMap<string, readonly string[]>): void {
    const unsaid = [...unclear].filter(([name]) => !saidUnclear.has(name));
    const said = new Set(unclear.keys());
    const [first] = unsaid;
    if (first !== undefined) {
      const at = now();
      if (Math.abs(at - saidAt) < SAY_AGAIN) {
        for (const [name] of unsaid) said.delete(name);
      } else {
        saidAt = at;
        const [node, reasons] = first;
        logger.warn({ node, others: unsaid.length - 1 }, reasons.join('; '));
      }
    }
    saidUnclear = said;
  }

  /** Brings one session to what its Nodes say. Returns what was told of them, if anything was. */
  function settle(
    session: BootSession,
    claims: readonly Claim[],
    last: string | undefined,
    contested: boolean,
  ): string | undefined {
    const claim =
      claims.find(({ verdict }) => verdict.ready) ??
      claims.find(({ verdict }) => verdict.counts) ??
      claims[0];
    if (claim === undefined) {
      // A Node that may be this machine's, or one that the API server could not tell of yet, is no Node that is gone.
      if (contested || replacer.isReplacing(session) || !watcher.status().synced) return undefined;
      if (session.end !== 'ready' && (last === undefined || last === 'deleted')) return undefined;
      record(session, {
        kind: 'node.deleted',
        asked: `the Node of ${session.hostname ?? session.mac} is gone`,
        reasons: [
          'the API server has no Node of this machine any more',
          'its kubelet registers it again when it starts',
        ],
      });
      return 'deleted';
    }
    const { node, boot, verdict, reasons } = claim;
    if (verdict.ready) {
      if (session.end !== 'ready') {
        const { bootId } = boot;
        record(session, {
          kind: 'node.ready',
          stage: 'ready',
          asked: `Node ${node.name} is Ready`,
          reasons,
          ...(bootId === undefined ? {} : { bootId }),
        });
      }
      return 'ready';
    }
    // Of a boot before: worth a word only where the machine is up and everybody asks why it is not ready.
    const matters = verdict.counts || session.end === 'ready' || (node.ready && session.stage === 'booted');
    const what = `${verdict.counts} ${node.name} ${boot.bootId ?? ''} ${withoutNumbers(node.reason)}`;
    if (!matters || (session.end !== 'ready' && what === last)) return undefined;
    const asked = verdict.counts ? `Node ${node.name} is not Ready` : `Node ${node.name} is not of this boot`;
    record(session, { kind: 'node.not-ready', asked, reasons });
    return what;
  }

  function record(
    { mac }: BootSession,
    observation: Pick<Observation, 'kind' | 'asked' | 'reasons' | 'stage' | 'bootId'>,
  ): void {
    journal.record({ ...observation, at: now(), mac, outcome: 'noted', answered: '' });
  }

  /** Those that join, and those that are asked for: also under the former name that is given with one. */
  function candidatesWith(wanted: ReadonlyMap<Mac, string | undefined>): readonly MatchCandidate[] {
    const machines = joining();
    const candidates = [...candidatesOf(machines)];
    for (const [mac, formerName] of wanted) {
      // Its role may be another one by now, and its Node still be there.
      const other = machines.has(mac) ? undefined : journal.machine(mac);
      if (other !== undefined) candidates.push(candidateOf(other, other.hostname));
      if (formerName === undefined) continue;
      const address = parseIpv4(formerName);
      candidates.push(
        address === undefined ? candidateOf({ mac }, formerName) : candidateOf({ mac, address }),
      );
    }
    return candidates;
  }

  function nodesByMachine(
    wanted: ReadonlyMap<Mac, string | undefined>,
  ): ReadonlyMap<Mac, readonly NodeState[]> {
    const candidates = candidatesWith(wanted);
    const index = indexMachines(candidates, (address) => journal.macAt(address));
    const found = new Map<Mac, NodeState[]>();
    for (const node of watcher.nodes().values()) {
      const { mac } = matchNode(node, index);
      if (mac !== undefined && wanted.has(mac)) found.set(mac, [...(found.get(mac) ?? []), node]);
    }
    return found;
  }

  const replacer = createNodeReplacer({
    journal,
    watcher,
    nodesByMachine,
    bootOf: (name) => boots.get(name),
    now,
    lookAgain: schedule,
  });
  for (const { session } of journal.joiningMachines()) replacer.resume(session);
  const unsubscribe = journal.subscribe(hear);
  watcher.start();
  async function stop(): Promise<void> {
    stopped = true;
    unsubscribe();
    clearTimeout(timer);
    await watcher.stop();
  }
  return {
    deleteNode: (name) => watcher.deleteNode(name),
    status: () => watcher.status(),
    nodes: () => watcher.nodes(),
    nodesOf(mac) {
      const candidates = candidatesWith(new Map([[mac, undefined]]));
      const index = indexMachines(candidates, (address) => journal.macAt(address));
      const machine = candidates.find((candidate) => candidate.mac === mac);
      return [...watcher.nodes().values()]
        .filter((node) => matchNode(node, index).mac === mac)
        .map((node) => {
          // Once its role is another one, no session tells its former address any more.
          const address = parseIpv4(node.name);
          const had = address !== undefined && journal.macAt(address) === mac ? [address] : [];
          const own = { mac, ...machine, addresses: [...(machine?.addresses ?? []), ...had] };
          return { ...node, mayDelete: mayDelete(node, own, candidates) };
        });
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function* candidatesOf(machines: ReadonlyMap<Mac, JoiningMachine>): Iterable<MatchCandidate> {
  for (const { facts, session } of machines.values()) {
    yield candidateOf(facts, session.hostname, session.address);
  }
}

function candidateOf({ mac, uuid, address }: MachineFacts, hostname?: string, booted?: Ipv4): MatchCandidate {
  return {
    mac,
    ...(uuid === undefined ? {} : { uuid }),
    ...(hostname === undefined ? {} : { hostname }),
    addresses: [booted, address].filter((one) => one !== undefined),
  };
}

/** "last seen active 3m4s ago" is the same trouble a minute later. */
function withoutNumbers(reason: string): string {
  return reason.replace(/\d[\d.]*(ms|[hms])?/g, '#');
}
