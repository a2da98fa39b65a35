import t from 'tap';
import {
  type BootAccount,
  compareSessions,
  lastThatWorked,
  stepTimes,
} from '../../src/boot/compare-sessions.ts';
import { type BootEvent, readText } from '../../src/machine/event.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { SessionEnd } from '../../src/machine/session.ts';
import { type RecordedBoot, recordBoot } from '../support/record-boot.ts';

const MAC = '52:54:00:12:34:56' as Mac;

/** A boot as the journal has it, without a journal. */
function account(id: number, boot: Partial<RecordedBoot> = {}): BootAccount {
  const events: BootEvent[] = [];
  const stageTimes: Record<string, number> = {};
  const at = boot.at ?? id * 1_000_000;
  recordBoot(
    {
      record(observation) {
        events.push({
          ...observation,
          asked: readText(observation.asked),
          answered: readText(observation.answered),
        });
        if (observation.stage !== undefined) stageTimes[observation.stage] = observation.at;
        return undefined;
      },
    },
    { mac: MAC, at, ...boot },
  );
  const { role = 'worker', hostname = 'node-1', address = '10.77.0.101', until = 'ready' } = boot;
  const updatedAt = events.at(-1)?.at ?? at;
  return {
    session: { id, openedAt: at, updatedAt, stage: until, stageTimes, role, hostname, address },
    events,
  };
}

const one = (id: number, end?: SessionEnd, signingUntil?: number) => ({
  id,
  ...(end === undefined ? {} : { end }),
  ...(signingUntil === undefined ? {} : { signingUntil }),
});

const withStages = (id: number, stageTimes: Record<string, number>): BootAccount => ({
  session: { id, openedAt: 0, updatedAt: 0, stage: 'kernel', stageTimes },
  events: [],
});

t.test('the last boot that worked is neither a later one, a token nor one that was given up', (t) => {
  const sessions = [
    one(7, 'ready'),
    one(6),
    one(5, 'superseded'),
    one(4, 'booted', 9),
    one(3, 'booted'),
    one(2, 'ready'),
  ];
  t.equal(lastThatWorked(sessions, 6)?.id, 3);
  t.equal(lastThatWorked(sessions, 3)?.id, 2);
  t.equal(lastThatWorked(sessions, 2), undefined);
  t.equal(lastThatWorked([one(2, 'handed-over'), one(1)], 9)?.id, 2);
  t.end();
});

t.test('two boots alike have nothing changed', (t) => {
  const { changed, same, stages, unknown } = compareSessions(account(1), account(2));
  t.same(changed, []);
  t.same(same, [
    'role',
    'hostname',
    'address',
    'interface',
    'firmware',
    'iPXE',
    'bootfile',
    'loader',
    'kernel',
    'initrd',
    'configuration',
  ]);
  t.ok(stages.every(({ verdict }) => verdict === 'alike'));
  t.match(unknown, [/not kept/], 'what was rendered then is not known');
  t.end();
});

t.test('what changed is said as it was and as it is', (t) => {
  const now = account(2, {
    role: 'rescue',
    hostname: 'other',
    address: '10.77.0.9',
    kernel: '/assets/next/vmlinuz',
    kernelBytes: 7,
    until: 'initrd',
  });
  const { changed, stages } = compareSessions(account(1), now);
  t.same(changed, [
    { what: 'role', before: 'worker', now: 'rescue' },
    { what: 'hostname', before: 'node-1', now: 'other' },
    { what: 'address', before: '10.77.0.101', now: '10.77.0.9' },
    {
      what: 'kernel',
      before: '/assets/flatcar/flatcar_production_pxe.vmlinuz, 52428800 bytes',
      now: '/assets/next/vmlinuz, 7 bytes',
    },
    { what: 'configuration', before: '28410 bytes' },
  ]);
  t.same(
    stages.filter(({ verdict }) => verdict !== 'alike').map(({ stage, verdict }) => [stage, verdict]),
    [
      ['config', 'missing'],
      ['booted', 'missing'],
      ['ready', 'missing'],
    ],
  );
  t.end();
});

t.test('a stage is slower or faster by a factor, not by a lost packet', (t) => {
  const before = withStages(1, { offered: 100, firmware: 2_100, script: 3_100, kernel: 23_100 });
  const now = withStages(2, { offered: 1_000, firmware: 9_000, kernel: 12_000, ready: 13_000 });
  t.same(
    compareSessions(before, now).stages.map(({ stage, verdict }) => [stage, verdict]),
    [
      ['offered', 'alike'],
      ['firmware', 'slower'],
      ['script', 'missing'],
      ['kernel', 'faster'],
      ['ready', 'new'],
    ],
  );
  t.match(compareSessions(before, now).unknown, [/not kept/, /events of session 1 are no longer kept/]);
  t.end();
});

t.test('times that a clock set back left are no negative durations', (t) => {
  t.same(
    [...stepTimes({ openedAt: 10_000, stageTimes: { offered: 4_000, script: 12_000 } })],
    [
      ['offered', 0],
      ['script', 2_000],
    ],
  );
  t.end();
});

t.test('hostile texts of packets are compared, and never run away', (t) => {
  const long = `${'"PXEClient:'.repeat(20_000)}file "`;
  const event = {
    at: 1,
    kind: 'dhcp.discover',
    outcome: 'answered',
    asked: long,
    answered: long,
    reasons: [],
  } as const;
  const hostile: BootAccount = { ...account(3, { until: 'offered' }), events: [event] };
  const { changed } = compareSessions(account(1), hostile);
  t.ok(changed.some(({ what }) => what === 'bootfile'));
  t.end();
});
