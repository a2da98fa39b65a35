import t from 'tap';
import { judgeRehearsal, type RehearsalFacts } from '../../src/boot/judge-rehearsal.ts';

type Event = RehearsalFacts['event'];
type Session = NonNullable<RehearsalFacts['session']>;
const event = (kind: Event['kind'], outcome: Event['outcome'] = 'answered'): Event => ({
  kind,
  outcome,
  asked: 'GET /x',
  answered: '404',
  reasons: ['there is no such file'],
});

const rows: readonly [string, Partial<Session> | undefined, Event, RehearsalFacts['until'], object][] = [
  ['nothing was heard', undefined, event('dhcp.discover', 'ignored'), undefined, { kind: 'going' }],
  ['on its way', { stage: 'kernel' }, event('http.asset'), undefined, { kind: 'going' }],
  ['up', { stage: 'booted', end: 'booted' }, event('http.report'), undefined, { kind: 'reached' }],
  [
    'up, but no Node',
    { stage: 'booted', lastStage: 'ready' },
    event('http.report'),
    undefined,
    { kind: 'reached' },
  ],
  [
    'handed over',
    { stage: 'script', end: 'handed-over' },
    event('http.script'),
    undefined,
    { kind: 'reached' },
  ],
  ['as far as was asked', { stage: 'initrd' }, event('http.asset'), 'kernel', { kind: 'reached' }],
  ['not yet as far', { stage: 'script' }, event('http.script'), 'kernel', { kind: 'going' }],
  ['waits', { stage: 'script', waitingSince: 1 }, event('http.script'), undefined, { kind: 'stopped' }],
  ['failed', { stage: 'config', failedAt: 1 }, event('http.report', 'noted'), undefined, { kind: 'stopped' }],
  [
    'a member of a cluster without one',
    { stage: 'config', failedAt: 1, lastStage: 'ready' },
    event('http.report', 'noted'),
    undefined,
    { kind: 'reached', reason: /no cluster/ },
  ],
  [
    'the kernel is missing',
    { stage: 'script' },
    event('http.asset', 'refused'),
    undefined,
    { kind: 'stopped', reason: 'GET /x: 404', remedy: 'there is no such file' },
  ],
  [
    'a checksum is missing, later',
    { stage: 'config' },
    event('http.asset', 'refused'),
    undefined,
    { kind: 'going' },
  ],
  [
    'a configuration does not render',
    { stage: 'initrd' },
    event('http.config', 'failed'),
    undefined,
    { kind: 'stopped' },
  ],
  ['no script', { stage: 'offered' }, event('http.script', 'refused'), undefined, { kind: 'stopped' }],
  [
    'a second one fetches it',
    { stage: 'config' },
    event('http.config', 'refused'),
    undefined,
    { kind: 'going' },
  ],
];
for (const [name, session, last, until, expected] of rows) {
  t.test(`a rehearsal: ${name}`, async (t) => {
    const whole = session === undefined ? undefined : { stage: 'discovered' as const, ...session };
    t.match(judgeRehearsal({ session: whole, event: last, until }), expected);
  });
}
