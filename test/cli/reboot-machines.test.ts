import t from 'tap';
import type { SessionView } from '../../src/admin/api.ts';
import type { FleetRow } from '../../src/cli/fleet-rows.ts';
import { type RebootOrder, type RebootStep, rebootMachines } from '../../src/cli/reboot-machines.ts';
import { TinderboxError } from '../../src/errors.ts';
import type { Mac } from '../../src/machine/mac.ts';

const macOf = (number: number): Mac => `52:54:00:00:00:0${number}` as Mac;
const row = (number: number): FleetRow => ({ mac: macOf(number), state: 'ready', since: 1 });
const machines = [row(1), row(2), row(3), row(4)];

const session = (mac: Mac, id: number): SessionView => ({
  id,
  mac,
  openedAt: 1,
  updatedAt: 1,
  stage: 'ready',
  stageTimes: {},
  end: 'ready',
});

/** Machines that are up again after some looks; `broken` never, `refused` cannot be turned off. */
function fleet({ broken, refused }: { readonly broken?: Mac; readonly refused?: Mac } = {}) {
  const sessions = new Map<Mac, SessionView>();
  let down = 0;
  let mostDown = 0;
  const steps: RebootStep[] = [];
  const looks = new Map<Mac, number>();
  let time = 0;
  const client: RebootOrder['client'] = {
    async machine(mac) {
      time += 10;
      const looked = looks.get(mac);
      if (looked === undefined)
        return { machine: { mac, firstSeen: 1, lastSeen: 1 }, sessions: [session(mac, 1)] };
      looks.set(mac, looked + 1);
      // The daemon is restarted meanwhile.
      if (looked === 1) throw new TinderboxError('unavailable', 'starting');
      if (looked === 4 && mac !== broken) {
        down -= 1;
        sessions.set(mac, session(mac, 2));
      }
      const { end: _end, ...open } = session(mac, 2);
      const now = looked < 2 ? session(mac, 1) : (sessions.get(mac) ?? { ...open, stage: 'kernel' as const });
      return { machine: { mac, firstSeen: 1, lastSeen: 1 }, sessions: [now] };
    },
    async power(mac, action) {
      if (mac === refused) throw new TinderboxError('refused', 'no', { remedy: 'see' });
      looks.set(mac, 0);
      down += 1;
      mostDown = Math.max(mostDown, down);
      return { mac, kind: 'redfish', action, did: 'reset', notes: [] };
    },
  };
  return { client, steps, uptime: () => time, mostDown: () => mostDown };
}

const run = ({ client, steps, uptime }: ReturnType<typeof fleet>, over: Partial<RebootOrder> = {}) =>
  rebootMachines({
    machines,
    atOnce: 1,
    patience: 60_000,
    keepGoing: false,
    pxe: true,
    client,
    onStep: (step) => void steps.push(step),
    signal: new AbortController().signal,
    pause: 1,
    uptime,
    ...over,
  });

t.test('machines are rebooted one after another, the next when the one before is up', async (t) => {
  const one = fleet();
  t.match(await run(one), { up: machines.map(({ mac }) => mac), failed: [], underWay: [], notStarted: [] });
  t.equal(one.mostDown(), 1);
  t.same(
    one.steps.map(({ mac, state }) => `${mac.at(-1)} ${state}`),
    ['1 cycled', '1 up', '2 cycled', '2 up', '3 cycled', '3 up', '4 cycled', '4 up'],
  );
  const two = fleet();
  t.equal((await run(two, { atOnce: 2 })).up.length, 4);
  t.equal(two.mostDown(), 2);
});

t.test('the first that fails stops it, unless it is to go on', async (t) => {
  const stuck = fleet({ broken: macOf(2) });
  t.same(await run(stuck, { patience: 300 }), {
    up: [macOf(1)],
    failed: [macOf(2)],
    underWay: [],
    notStarted: [macOf(3), macOf(4)],
  });
  t.match(stuck.steps.at(-1)?.detail, /not up after 0 s: it came to kernel/);
  t.match(await run(fleet({ refused: macOf(1) })), { up: [], failed: [macOf(1)], notStarted: { length: 3 } });
  const going = fleet({ refused: macOf(1) });
  t.match(await run(going, { keepGoing: true }), { up: { length: 3 }, failed: [macOf(1)], notStarted: [] });
  t.match(going.steps[0]?.detail, 'no (see)');
});

t.test('when it is stopped no further one is started, and it says which are under way', async (t) => {
  const stop = new AbortController();
  const one = fleet();
  const outcome = await run(one, {
    signal: stop.signal,
    onStep: ({ state, mac }) => {
      if (state === 'cycled' && mac === macOf(2)) stop.abort();
    },
  });
  t.same(outcome, { up: [macOf(1)], failed: [], underWay: [macOf(2)], notStarted: [macOf(3), macOf(4)] });
});
