import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminClient } from '../admin/client.ts';
import { toTinderboxError } from '../errors.ts';
import type { Mac } from '../machine/mac.ts';
import type { FleetRow } from './fleet-rows.ts';

export interface RebootOrder {
  /** In their order. */
  readonly machines: readonly FleetRow[];
  /** As many at one time. */
  readonly atOnce: number;
  /** Milliseconds that one may take until it is up again. */
  readonly patience: number;
  /** Goes on with the next one where one fails. */
  readonly keepGoing: boolean;
  readonly pxe: boolean;
  readonly client: Pick<AdminClient, 'power' | 'machine'>;
  readonly onStep: (step: RebootStep) => void;
  /** No further one is started, and nothing is waited for any more. */
  readonly signal: AbortSignal;
  /** Milliseconds between two looks. */
  readonly pause?: number;
  /** Milliseconds that never jump. */
  readonly uptime?: () => number;
}

export type RebootState = 'cycled' | 'up' | 'failed';

export interface RebootStep {
  readonly mac: Mac;
  readonly state: RebootState;
  /** How far it came, or why it failed. */
  readonly detail: string;
}

export interface RebootOutcome {
  readonly up: readonly Mac[];
  readonly failed: readonly Mac[];
  /** Turned off and on, and not seen up: the command was stopped. They boot on by themselves. */
  readonly underWay: readonly Mac[];
  readonly notStarted: readonly Mac[];
}

const PAUSE = 2_000;

/** Cycles machines, never more than `atOnce` down at a time, each until it is up again. */
export async function rebootMachines(order: RebootOrder): Promise<RebootOutcome> {
  const waiting = [...order.machines];
  const up: Mac[] = [];
  const failed: Mac[] = [];
  const underWay = new Set<Mac>();
  const work = async (): Promise<void> => {
    for (;;) {
      if (order.signal.aborted || (failed.length > 0 && !order.keepGoing)) return;
      const next = waiting.shift();
      if (next === undefined) return;
      underWay.add(next.mac);
      const state = await rebootOne(next.mac, order);
      if (state === undefined) return;
      underWay.delete(next.mac);
      (state === 'up' ? up : failed).push(next.mac);
    }
  };
  await Promise.all(Array.from({ length: order.atOnce }, work));
  return { up, failed, underWay: [...underWay], notStarted: waiting.map(({ mac }) => mac) };
}

/** Undefined: stopped before it was over. */
async function rebootOne(mac: Mac, order: RebootOrder): Promise<'up' | 'failed' | undefined> {
  const { client, pxe, patience, pause = PAUSE, signal, onStep, uptime = () => performance.now() } = order;
  const fail = (detail: string): 'failed' => {
    onStep({ mac, state: 'failed', detail });
    return 'failed';
  };
  let before: number | undefined;
  try {
    before = await newestSession(client, mac).then((session) => session?.id);
    const { did, notes } = await client.power(mac, 'cycle', { pxe });
    onStep({ mac, state: 'cycled', detail: [did, ...notes].join('; ') });
  } catch (thrown) {
    const { message, remedy } = toTinderboxError(thrown);
    return fail(remedy === undefined ? message : `${message} (${remedy})`);
  }
  const deadline = uptime() + patience;
  let came = 'nothing was heard of it';
  while (uptime() < deadline) {
    await sleep(pause, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return undefined;
    // The daemon may be restarted meanwhile: what it missed shows in what the machine does next.
    const session = await newestSession(client, mac).catch(() => undefined);
    if (session === undefined || session.id === before) continue;
    const { stage, end, failedAt, stalled } = session;
    if (end === 'ready' || end === 'booted' || end === 'handed-over') {
      onStep({ mac, state: 'up', detail: end });
      return 'up';
    }
    came = `it came to ${stage}`;
    if (stalled !== undefined) came = `${came}: ${stalled.diagnosis.title}`;
    else if (failedAt !== undefined) came = `${came}, and reported that its boot failed`;
  }
  return fail(`not up after ${Math.round(patience / 1000)} s: ${came}`);
}

async function newestSession(client: RebootOrder['client'], mac: Mac) {
  const { sessions } = await client.machine(mac);
  return sessions.find(({ signingUntil }) => signingUntil === undefined);
}
