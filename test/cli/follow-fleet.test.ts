import t from 'tap';
import type { SessionView } from '../../src/admin/api.ts';
import { type FleetClient, followFleet } from '../../src/cli/follow-fleet.ts';
import { createFleetPrinter } from '../../src/cli/print-fleet-changes.ts';
import { TinderboxError } from '../../src/errors.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { Stage } from '../../src/machine/stage.ts';

const macOf = (number: number): Mac => `52:54:00:00:00:${number.toString(16).padStart(2, '0')}` as Mac;
const machine = (mac: Mac) => ({ mac, firstSeen: 1, lastSeen: 2 });
const session = (mac: Mac, stage: Stage): SessionView => ({
  id: 1,
  mac,
  openedAt: 1,
  updatedAt: 2,
  stage,
  stageTimes: {},
  role: 'worker',
});

/** A daemon that has these machines; `say` tells its readers of one. */
function fakeDaemon(stages: Map<Mac, Stage>) {
  let readers: ((event: BootEvent | undefined) => void)[] = [];
  const asked = { lists: 0, machines: 0 };
  const client: FleetClient = {
    async listMachines({ limit, offset } = { limit: 1_000, offset: 0 }) {
      asked.lists += 1;
      const all = [...stages].map(([mac, stage]) => ({
        machine: machine(mac),
        session: session(mac, stage),
      }));
      return { machines: all.slice(offset, offset + limit) };
    },
    async machine(mac) {
      asked.machines += 1;
      const stage = stages.get(mac);
      if (stage === undefined) throw new TinderboxError('not-found', 'never seen');
      return { machine: machine(mac), sessions: [session(mac, stage)] };
    },
    async follow({ signal } = {}) {
      const queue: (BootEvent | undefined)[] = [];
      let wake: (() => void) | undefined;
      const push = (event: BootEvent | undefined): void => {
        queue.push(event);
        wake?.();
      };
      readers.push(push);
      signal?.addEventListener('abort', () => push(undefined));
      return (async function* () {
        for (;;) {
          while (queue.length === 0) await new Promise<void>((resolve) => void (wake = resolve));
          const event = queue.shift();
          if (event === undefined) return;
          yield event;
        }
      })();
    },
  };
  return {
    client,
    asked,
    say(mac: Mac) {
      const event = {
        at: 1,
        mac,
        kind: 'http.asset',
        outcome: 'answered',
        asked: '',
        answered: '',
        reasons: [],
      } as const;
      for (const push of readers) push(event);
    },
    stop() {
      for (const push of readers) push(undefined);
      readers = [];
    },
  };
}

t.test(
  'changes are told as they come, over a restart of the daemon, and a forgotten machine is gone',
  async (t) => {
    const stages = new Map<Mac, Stage>([[macOf(1), 'kernel']]);
    const daemon = fakeDaemon(stages);
    const stop = new AbortController();
    const lines: string[] = [];
    let wanted: [RegExp, () => void] | undefined;
    const out = (text: string): void => {
      lines.push(text);
      if (wanted?.[0].test(text) === true) wanted[1]();
    };
    const line = (pattern: RegExp): Promise<void> =>
      new Promise((resolve) => {
        wanted = [pattern, resolve];
      });
    const printer = createFleetPrinter({ filter: { stalled: false }, json: false, out, now: () => 0 });
    let tries = 0;
    const first = line(/kernel/);
    const running = followFleet({
      // After the first, it does not answer twice: once nobody listens, once the socket is refused.
      connect: async () => {
        tries += 1;
        if (tries === 3) throw new TinderboxError('refused', 'starting');
        return tries === 2 ? undefined : daemon.client;
      },
      signal: stop.signal,
      pause: 1,
      onRows: printer.rows,
      onTrouble: printer.trouble,
    });
    await first;
    const config = line(/config/);
    stages.set(macOf(1), 'config');
    daemon.say(macOf(1));
    await config;
    const gone = line(/forgotten/);
    stages.delete(macOf(1));
    daemon.say(macOf(1));
    await gone;
    const back = line(/node-2|00:02/);
    stages.set(macOf(2), 'script');
    daemon.stop();
    await back;
    stop.abort();
    await running;
    t.same(
      lines.map((text) => text.slice(22).trimEnd()),
      [
        '52:54:00:00:00:01  -  worker  booting  kernel',
        '52:54:00:00:00:01  -  worker  booting  kernel -> config',
        '52:54:00:00:00:01  forgotten',
        'the daemon does not answer; waiting for it',
        'the daemon answers again',
        '52:54:00:00:00:02  -  worker  booting  script',
      ],
    );
  },
);

t.test('many machines that change at once are read as one list', async (t) => {
  const stages = new Map<Mac, Stage>(Array.from({ length: 40 }, (_, index) => [macOf(index), 'kernel']));
  const daemon = fakeDaemon(stages);
  const stop = new AbortController();
  await followFleet({
    connect: async () => daemon.client,
    signal: stop.signal,
    pause: 1,
    onTrouble: () => undefined,
    onRows(rows) {
      if (rows.get(macOf(39))?.stage === 'ready') stop.abort();
      for (const mac of stages.keys()) stages.set(mac, 'ready');
      if (daemon.asked.lists === 1) for (const mac of stages.keys()) daemon.say(mac);
    },
  });
  t.same(daemon.asked, { lists: 2, machines: 0 });
});

t.test('a refusal at the start is told, not repeated for ever', async (t) => {
  await t.rejects(
    followFleet({
      connect: () => Promise.reject(new TinderboxError('refused', 'you may not')),
      signal: new AbortController().signal,
      onRows: () => undefined,
      onTrouble: () => undefined,
    }),
    { code: 'refused' },
  );
});

t.test('as JSON each change is one object a line; what leaves the filter is told once more', async (t) => {
  const lines: string[] = [];
  const printer = createFleetPrinter({
    filter: { stalled: true },
    json: true,
    out: (text) => void lines.push(text),
    now: () => 5,
  });
  const row = { mac: macOf(1), since: 1, stage: 'kernel' as const };
  printer.rows(new Map([[row.mac, { ...row, state: 'booting' }]]));
  printer.rows(new Map([[row.mac, { ...row, state: 'stalled', note: 'why' }]]));
  printer.rows(new Map([[row.mac, { ...row, state: 'stalled', note: 'why', since: 3 }]]));
  printer.rows(new Map([[row.mac, { ...row, state: 'booting' }]]));
  printer.rows(new Map([[row.mac, { ...row, state: 'booting', stage: 'initrd' }]]));
  t.same(
    lines.map((line) => JSON.parse(line) as unknown),
    [
      { at: 5, kind: 'machine', ...row, state: 'stalled', note: 'why' },
      { at: 5, kind: 'machine', ...row, state: 'booting' },
    ],
  );
});
