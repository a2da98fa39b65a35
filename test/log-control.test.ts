import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { createLogControl } from '../src/log-control.ts';
import { createLoggers } from '../src/logger.ts';
import type { Mac } from '../src/machine/mac.ts';
import type { Observation } from '../src/store/port.ts';
import { until } from './support/until.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const OTHER = '52:54:00:00:00:02' as Mac;
const HOUR = 3600;

interface Line {
  readonly level: number;
  readonly part: string;
  readonly msg: string;
  readonly mac?: string;
  readonly held?: number;
}

function setUp(t: Test, level = 'info') {
  const lines: Line[] = [];
  const write = (text: string): void => void lines.push(JSON.parse(text) as Line);
  const loggers = createLoggers({ level, destination: { write } as unknown as NodeJS.WritableStream });
  const control = createLogControl(loggers, Date.now);
  t.teardown(() => control[Symbol.dispose]());
  return {
    control,
    loggers,
    lines,
    levelOf: (name: string) => control.view().parts.find(({ part }) => part === name)?.level,
  };
}

function seen(more: Partial<Observation> = {}): Observation {
  return {
    at: 1_000,
    kind: 'dhcp.discover',
    outcome: 'answered',
    asked: 'DISCOVER xid 0x1',
    answered: 'OFFER, 10.77.0.100',
    reasons: ['PXEClient', 'a free address'],
    via: 'br0',
    mac: MAC,
    ...more,
  };
}

t.test('a level changes at once, of one part or of all, and goes back', (t) => {
  const { control, loggers, lines, levelOf } = setUp(t);
  loggers.dhcp.debug('not seen');
  control.change({ level: 'debug', part: 'dhcp', seconds: HOUR });
  t.equal(levelOf('dhcp'), 'debug');
  t.equal(levelOf('http'), 'info');
  loggers.dhcp.debug('seen');
  loggers.http.debug('not seen');
  control.change({ level: 'error', seconds: HOUR });
  loggers.http.warn('not seen');
  t.equal(levelOf('dhcp'), 'error', 'the later one counts');
  const view = control.change({ reset: true, seconds: HOUR });
  t.ok(view.parts.every(({ level, until }) => level === 'info' && until === undefined));
  loggers.http.warn('seen');
  t.same(
    lines.filter(({ msg }) => msg.includes('seen')).map(({ msg, part }) => `${part}: ${msg}`),
    ['dhcp: seen', 'http: seen'],
  );
  t.end();
});

t.test('a change ends by itself, and a newer one is not ended by the time of the older', async (t) => {
  const { control, lines, levelOf } = setUp(t);
  control.change({ level: 'debug', part: 'dhcp', seconds: 0.02 });
  control.change({ level: 'debug', part: 'http', seconds: 0.02 });
  control.change({ level: 'debug', part: 'http', seconds: HOUR });
  control.change({ trace: MAC, seconds: 0.02 });
  await until(() => levelOf('dhcp') === 'info' && control.view().traces.length === 0);
  await delay(30);
  t.equal(levelOf('http'), 'debug');
  t.match(lines.at(-1), { part: 'trace', msg: `the trace of ${MAC} ends` });
});

t.test('at level debug a part says what it was asked, what it answered and why', (t) => {
  const { control, lines } = setUp(t);
  control.change({ level: 'debug', part: 'dhcp', seconds: HOUR });
  lines.length = 0;
  control.notice(seen());
  control.notice(seen({ kind: 'http.script', asked: 'GET /ipxe' }));
  const msg = 'DISCOVER xid 0x1 -> answered: OFFER, 10.77.0.100 (PXEClient; a free address)';
  t.match(lines, [{ level: 20, part: 'dhcp', mac: MAC, kind: 'dhcp.discover', interface: 'br0', msg }]);
  t.equal(lines.length, 1);
  for (let packet = 0; packet < 10_000; packet++) control.notice(seen());
  t.ok(lines.length < 600, `${lines.length} lines of 10,000 packets`);
  control.notice(seen({ at: 60_000 }));
  t.ok((lines.at(-1)?.held ?? 0) > 9_000, 'what was left out is counted');
  t.end();
});

t.test('a trace says all of one machine, whatever the level, and of no other', (t) => {
  const { control, lines } = setUp(t, 'error');
  control.notice(seen());
  control.change({ trace: MAC, seconds: HOUR });
  control.notice(seen());
  control.notice(seen({ mac: OTHER }));
  control.notice(seen({ kind: 'tftp.read', outcome: 'refused', asked: 'RRQ x', answered: '', reasons: [] }));
  const { mac: _mac, ...nameless } = seen();
  control.notice(nameless);
  control.notice({ ...nameless, facts: { mac: MAC }, asked: 'GET /ipxe' });
  t.match(lines, [
    { level: 30, part: 'trace', msg: `${MAC} is traced for ${HOUR} s` },
    { level: 30, part: 'trace', mac: MAC, msg: /^DISCOVER/ },
    { msg: 'RRQ x -> refused' },
    { msg: /^GET \/ipxe/ },
  ]);
  t.equal(lines.length, 4);
  t.end();
});

t.test('no token of a session gets into a trace, nor a text without end', (t) => {
  const { control, lines } = setUp(t);
  control.change({ trace: MAC, seconds: HOUR });
  const token = `17-${'aB3-_'.repeat(7).slice(0, 32)}`;
  control.notice(
    seen({
      asked: `GET /boot/${token}/cloud-config`,
      answered: token,
      reasons: Array.from({ length: 50 }, () => `it asked for /boot/${token}/x ${'y'.repeat(5_000)}`),
    }),
  );
  control.notice(seen({ asked: `${'z'.repeat(490)} ${token}` }));
  const text = JSON.stringify(lines);
  t.notMatch(text, token.slice(3));
  t.notMatch(text, token.slice(3, 12), 'nor a part, where the text is cut');
  t.match(text, /GET \/boot\/17-…\/cloud-config/);
  t.ok(text.length < 10_000, `${text.length} characters`);
  t.end();
});

t.test('traces are bounded in number and in lines', (t) => {
  const { control, lines } = setUp(t);
  control.change({ trace: MAC, seconds: HOUR });
  for (let packet = 0; packet < 5_000; packet++) control.notice(seen());
  t.ok(lines.length < 220, `${lines.length} lines of 5,000 packets`);
  for (let number = 0; number < 15; number++) {
    control.change({ trace: `52:54:00:00:01:${String(number).padStart(2, '0')}` as Mac, seconds: HOUR });
  }
  t.throws(() => control.change({ trace: OTHER, seconds: HOUR }), { code: 'busy' });
  control.change({ trace: MAC, seconds: HOUR });
  t.equal(control.view().traces.length, 16);
  t.end();
});
