import type { InterfaceStatus } from './admin/api.ts';
import type { Config } from './config/port.ts';
import type { TinderboxError } from './errors.ts';
import { type InterfaceState, interfaceState } from './interface-state.ts';
import type { KeptDoors } from './keep-doors.ts';
import { keepTrying } from './keep-trying.ts';
import type { Logger } from './logger.ts';
import { formatIpv4 } from './machine/ipv4.ts';
import { compareInterfaces } from './net/compare-interfaces.ts';
import type { NetworkInterface, ReadInterfaces } from './net/port.ts';
import { type WatchInterfacesOptions, watchInterfaces } from './net/watch-interfaces.ts';
import type { Provisioning } from './provisioning.ts';
import { sayInterfaceChange } from './say-interface-change.ts';
import { sayInterfaceState } from './say-interface-state.ts';

export interface FollowedInterface {
  readonly name: string;
  /** In the order in which they are opened. */
  readonly doors: readonly KeptDoors[];
  /** What was refused at the start already. */
  readonly refused: readonly TinderboxError[];
}

export interface FollowOptions {
  readonly config: Pick<Config, 'dhcp'>;
  readonly provisioning: Provisioning;
  readonly followed: readonly FollowedInterface[];
  readonly read: ReadInterfaces;
  readonly logger: Logger;
  readonly now: () => number;
  /** Milliseconds that never go back, for how long service was away. */
  readonly uptime?: () => number;
  /** As of watchInterfaces. */
  readonly pause?: WatchInterfacesOptions['pause'];
}

export interface InterfaceFollower {
  states(): readonly InterfaceStatus[];
  /** Resolves when nothing is opened any more; the doors stay as they are. */
  stop(): Promise<void>;
}

interface Followed extends FollowedInterface {
  errors: readonly TinderboxError[];
  renamedTo: string | undefined;
  state: InterfaceState;
  since: number;
  /** Since when it is not served in full, as `uptime` has it; undefined: it is. */
  awaySince: number | undefined;
}

/** Keeps the doors of each interface as its addresses have them, and says what is served and what is not. */
export function followInterfaces(options: FollowOptions): InterfaceFollower {
  const { config, provisioning, read, logger, now, uptime = () => performance.now() } = options;
  const ending = new AbortController();
  const stateOf = ({ name, doors, errors, renamedTo }: Omit<Followed, 'state' | 'since' | 'awaySince'>) =>
    interfaceState(
      {
        name,
        now: find(provisioning.host(), name),
        renamedTo,
        refused: errors.map(({ message }) => message),
        open: doors.reduce((sum, one) => sum + one.count(), 0),
      },
      config.dhcp,
      provisioning.networks(),
    );
  const startedAt = uptime();
  const all = options.followed.map((one): Followed => {
    const known = { ...one, errors: one.refused, renamedTo: undefined };
    const state = stateOf(known);
    return {
      ...known,
      state,
      since: now(),
      awaySince: state.state === 'serving' ? undefined : startedAt,
    };
  });

  // What is missing was told with its remedy already.
  for (const one of all)
    if (one.state.state === 'partly') sayInterfaceState(one, one.state, startedAt, logger);

  const settle = async (one: Followed): Promise<void> => {
    const is = find(provisioning.host(), one.name);
    const errors: TinderboxError[] = [];
    for (const doors of one.doors) errors.push(...(await doors.follow(is)));
    one.errors = errors;
    const before = one.state;
    one.state = stateOf(one);
    if (before.state === one.state.state && before.reason === one.state.reason) return;
    const at = uptime();
    if (before.state !== one.state.state) one.since = now();
    sayInterfaceState(one, before, at, logger);
    if (one.state.state === 'serving') one.awaySince = undefined;
    else one.awaySince ??= at;
  };
  const turns = takeTurns((err) => logger.error({ err }, 'the doors of an interface could not be kept'));
  const retries = keepTrying(async () => {
    for (const one of all)
      if (one.errors.length > 0 && !ending.signal.aborted) await turns(() => settle(one));
    return all.some(({ errors }) => errors.length > 0);
  });

  const unreadable = (err: unknown) => logger.warn({ err }, 'the interfaces could not be read');
  const follow = async (): Promise<void> => {
    const readings = watchInterfaces({
      names: all.map(({ name }) => name),
      known: provisioning.host(),
      read,
      signal: ending.signal,
      onError: unreadable,
      ...(options.pause === undefined ? {} : { pause: options.pause }),
    });
    for await (const host of readings) {
      const before = provisioning.host();
      provisioning.update(host);
      for (const one of all) {
        for (const change of compareInterfaces(one.name, before, host)) {
          sayInterfaceChange(one.name, change, logger);
          one.renamedTo = change.kind === 'vanished' ? change.renamedTo : undefined;
        }
      }
      for (const one of all) await turns(() => settle(one));
      retries.start(all.some(({ errors }) => errors.length > 0));
    }
  };
  const following = follow();
  retries.start(all.some(({ errors }) => errors.length > 0));

  return {
    states: () => all.map((one) => statusOf(one, find(provisioning.host(), one.name))),
    async stop() {
      ending.abort();
      retries.stop();
      await following;
      await turns(() => Promise.resolve());
    },
  };
}

function statusOf({ name, state, since }: Followed, now: NetworkInterface | undefined): InterfaceStatus {
  return {
    name,
    addresses: (now?.addresses ?? []).map(({ address }) => formatIpv4(address)),
    ...state,
    since,
  };
}

function find(all: readonly NetworkInterface[], wanted: string): NetworkInterface | undefined {
  return all.find(({ name }) => name === wanted);
}

/** One after the other: two that open the same door at once would refuse each other. */
function takeTurns(onError: (error: unknown) => void): (work: () => Promise<void>) => Promise<void> {
  let last = Promise.resolve();
  return (work) => {
    last = last.then(work).catch(onError);
    return last;
  };
}
