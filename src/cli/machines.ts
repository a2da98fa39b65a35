import type { AdminClient } from '../admin/client.ts';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import type { BootEvent } from '../machine/event.ts';
import { type Mac, parseMac } from '../machine/mac.ts';
import { formatMachineTable } from './format-machine-table.ts';
import { formatEvent, formatTimeline, type Timeline } from './format-timeline.ts';
import { readAllMachines } from './read-all-machines.ts';

export interface MachinesArgs {
  readonly mac?: string;
  readonly json: boolean;
  /** Absent: the newest. */
  readonly session?: number;
  readonly follow?: boolean;
}

export interface MachinesDeps {
  readonly client: AdminClient;
  readonly out: (text: string) => void;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Ends `follow`. */
  readonly signal?: AbortSignal;
}

/**
 * `tinderbox machines`: the table of all machines; with a MAC the timeline of one boot; with `follow` what happens
 * next too, until the daemon stops. Throws TinderboxError `usage` on what is no MAC, `not-found` for a machine or
 * session that is not known.
 */
export async function runMachines(args: MachinesArgs, deps: MachinesDeps): Promise<void> {
  const mac = readMachinesUsage(args);
  if (mac === undefined) {
    if (args.follow === true) return followAll(args, deps);
    const list = await readAllMachines(deps.client);
    deps.out(args.json ? `${JSON.stringify(list.machines)}\n` : formatMachineTable(list, deps.now));
    return;
  }
  if (args.follow === true) return followMachine(mac, args, deps);
  print(await readTimeline(mac, args.session, deps.client), args, deps);
}

/** The machine that is asked for, if it is one only. Throws TinderboxError `usage`; needs no daemon and no files. */
export function readMachinesUsage(args: Pick<MachinesArgs, 'mac' | 'session'>): Mac | undefined {
  if (args.mac === undefined) {
    if (args.session !== undefined) throw new TinderboxError('usage', '--session needs a MAC');
    return undefined;
  }
  const mac = parseMac(args.mac);
  if (mac !== undefined) return mac;
  throw new TinderboxError('usage', `${args.mac} is no MAC`, { remedy: 'write it as 52:54:00:12:34:56' });
}

async function readTimeline(mac: Mac, sessionId: number | undefined, client: AdminClient): Promise<Timeline> {
  const { machine, sessions, once } = await client.machine(mac);
  const token = sessions.find(({ signingUntil }) => signingUntil !== undefined);
  const newest = sessions.find(({ signingUntil }) => signingUntil === undefined) ?? token;
  const session = sessionId === undefined ? newest : sessions.find(({ id }) => id === sessionId);
  if (session === undefined && sessionId !== undefined) {
    // The list holds the newest ones only; of an older one the events are still there.
    const { events } = await client.events(mac, sessionId);
    if (events.length > 0) return { machine, olderSession: sessionId, events };
    const known = sessions.map(({ id }) => id).join(', ');
    throw new TinderboxError('not-found', `${mac} has no session ${sessionId}`, {
      remedy: known === '' ? 'it has none yet' : `the newest are ${known}`,
    });
  }
  const { events } = await client.events(mac, session?.id);
  const timeline = {
    machine,
    ...(once === undefined ? {} : { once }),
    ...(session === undefined ? {} : { session }),
    events,
  };
  // It stands beside the boots, and may be used whatever the machine does: who looks at the machine must see it.
  if (sessionId !== undefined || token === undefined || token === session) return timeline;
  const signed = await client.events(mac, token.id);
  return { ...timeline, token: { session: token, events: signed.events } };
}

function print(timeline: Timeline, { json }: MachinesArgs, { out, now }: MachinesDeps): void {
  out(json ? `${JSON.stringify(timeline)}\n` : formatTimeline(timeline, now));
}

/** A machine that was never seen is waited for: `--follow` is started before the machine is powered on. */
async function followMachine(mac: Mac, args: MachinesArgs, deps: MachinesDeps): Promise<void> {
  const stream = await deps.client.follow({
    mac,
    ...(deps.signal === undefined ? {} : { signal: deps.signal }),
  });
  const timeline = await readTimeline(mac, args.session, deps.client).catch((thrown: unknown) => {
    const error = toTinderboxError(thrown);
    if (error.code !== 'not-found' || args.session !== undefined) throw error;
    return undefined;
  });
  if (timeline !== undefined) print(timeline, args, deps);
  else if (!args.json) deps.out(`${mac} was not seen yet; waiting for it\n`);

  // The stream was open before the timeline was read: what is in both is printed once.
  const printed = new Set((timeline?.events ?? []).map(identify));
  let sessionId = timeline?.session?.id;
  let start = timeline?.session?.openedAt ?? timeline?.events[0]?.at;
  for await (const event of stream) {
    if (printed.delete(identify(event))) continue;
    if (args.session !== undefined && event.sessionId !== args.session) continue;
    if (event.sessionId !== undefined && event.sessionId !== sessionId) {
      sessionId = event.sessionId;
      start = event.at;
      if (!args.json) deps.out(`\nSession ${sessionId}\n`);
    }
    start ??= event.at;
    deps.out(args.json ? `${JSON.stringify(event)}\n` : `${formatEvent(event, start)}\n`);
  }
}

async function followAll(args: MachinesArgs, deps: MachinesDeps): Promise<void> {
  const stream = await deps.client.follow(deps.signal === undefined ? {} : { signal: deps.signal });
  for await (const event of stream) {
    if (args.json) deps.out(`${JSON.stringify(event)}\n`);
    else deps.out(`${event.mac ?? 'unknown machine'}\n${formatEvent(event, deps.now)}\n`);
  }
}

function identify({ at, kind, asked, answered }: BootEvent): string {
  return JSON.stringify([at, kind, asked, answered]);
}
