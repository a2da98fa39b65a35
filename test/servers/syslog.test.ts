import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { createLoggers } from '../../src/logger.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import { type Ipv4, parseIpv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { createConsoleMemory } from '../../src/servers/console-memory.ts';
import type { SeenDatagram } from '../../src/servers/port.ts';
import { startSyslogServer } from '../../src/servers/syslog.ts';
import { createJournal } from '../../src/store/journal.ts';
import { until } from '../support/until.ts';

const mac = '52:54:00:00:00:09' as Mac;
const LOOPBACK = parseIpv4('127.0.0.1') as Ipv4;

/** A real socket and the real journal; `known`: the sender is a machine that boots. */
async function setUp(t: Test, known = true) {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const clock = { now: 1_000_000 };
  const journal = createJournal({
    store: { appendHistory: async () => undefined, forgetMachine: async () => false },
    state: { leases: [], machines: [], openSessions: [], nextSessionId: 1 },
    clock: () => clock.now,
    idleTime: 3_600_000,
    logger: createLoggers({ level: 'silent' }).store,
  });
  if (known) {
    journal.learnAddress(LOOPBACK, mac);
    journal.record({
      at: clock.now,
      kind: 'dhcp.discover',
      outcome: 'answered',
      client: 'ipxe',
      stage: 'offered',
      asked: '',
      answered: '',
      reasons: [],
      mac,
    });
  }
  const events: BootEvent[] = [];
  journal.subscribe((event) => events.push(event));
  const memory = createConsoleMemory();
  const { store: logger } = createLoggers({ level: 'silent' });
  const seen: SeenDatagram[] = [];
  const recorder = { record: (datagram: SeenDatagram) => void seen.push(datagram) };
  const capture = { recorder, server: () => ({ address: LOOPBACK, port: 514 }) };
  const now = () => clock.now;
  const server = startSyslogServer({ socket, via: 'lo', journal, memory, capture, logger, now });
  const client = createSocket('udp4');
  t.teardown(async () => {
    client.close();
    await server.stop();
    await journal.close();
  });
  let sent = 0;
  const counted = () =>
    ['syslog.line', 'syslog.unknown-sender', 'syslog.dropped.empty'].reduce(
      (sum, name) => sum + (journal.counters().get(name) ?? 0),
      0,
    );
  const send = async (...datagrams: readonly string[]): Promise<void> => {
    for (const datagram of datagrams) {
      client.send(datagram, socket.address().port, '127.0.0.1');
      sent++;
      await until(() => counted() >= sent);
    }
  };
  return { send, journal, memory, events, seen, clock };
}

t.test('a line of a machine that boots stands in its timeline and on its console', async (t) => {
  const { send, journal, memory, events, seen } = await setUp(t);
  const before = journal.sessionOf(mac);
  await send('<6>ipxe: http://10.77.0.1/vmlinuz... No such file or directory (https://ipxe.org/2d0c618e)');
  t.match(events, [
    {
      kind: 'syslog.line',
      mac,
      sessionId: 1,
      outcome: 'noted',
      asked: /^ipxe: http:.*vmlinuz/,
      answered: '',
      reasons: [/^iPXE's error 2d0c618e: the web server does not have the file \(404\)/],
      via: 'lo',
    },
  ]);
  t.match(memory.read(mac, 0).lines, [{ number: 1, program: 'ipxe', severity: 'info', reasons: [/404/] }]);
  t.match(seen, [
    {
      plane: 'syslog',
      direction: 'received',
      via: 'lo',
      mac,
      from: { address: LOOPBACK },
      to: { port: 514 },
    },
  ]);
  t.equal(journal.sessionOf(mac), before, 'its session is as it was: to print is no progress');
});

t.test("a session's token never gets there", async (t) => {
  const { send, memory, events } = await setUp(t);
  const token = `1-${'aB3_'.repeat(8)}`;
  await send(
    `<6>[    0.000000] Command line: x cloud-config-url=http://10.77.0.1/boot/${token}/cloud-config`,
  );
  await send(`<6>${'x'.repeat(1_010)} ${token}`);
  for (const name of [token, `/boot/${token}`]) {
    await send(`<6>${name}: as a program`);
    await send(`<6>1 2026-11-27T23:24:22Z host ${name} - - - as a program`);
  }
  t.notMatch(JSON.stringify([events, memory.read(mac, 0)]), /aB3_/);
  t.match(events[0]?.asked, /boot\/1-…\/cloud-config/);
  t.ok((memory.read(mac, 0).lines[1]?.text.length ?? 0) <= 1_024);
});

t.test('a chatty kernel pushes nothing else out, and its warnings are kept for longer', async (t) => {
  const { send, journal, memory, events, clock } = await setUp(t);
  await send(...Array.from({ length: 400 }, (_, line) => `<6>[    1.${100_000 + line}] driver ${line}`));
  t.equal(events.length, 150);
  await send('<3>[    2.000000] EXT4-fs error');
  t.match(events.at(-1), { asked: 'kernel (err): [    2.000000] EXT4-fs error' });
  t.equal(journal.counters().get('events.dropped.session-lines'), 250);
  t.equal(memory.read(mac, 0).lines.length, 401, 'the console has them all');
  const seen = { at: clock.now, kind: 'http.boot-script', outcome: 'answered', mac } as const;
  journal.record({ ...seen, asked: 'GET /boot.ipxe', answered: '', reasons: [] });
  t.match(events.at(-1), { kind: 'http.boot-script' });
});

t.test('who is not known is counted, and a few of its lines are recorded', async (t) => {
  const { send, journal, events, memory } = await setUp(t, false);
  await send(
    ...Array.from({ length: 100 }, (_, line) => `<13>Nov 27 23:24:22 host root: ${line}`),
    '',
    '<6>',
  );
  t.equal(journal.counters().get('syslog.unknown-sender'), 100);
  t.equal(journal.counters().get('syslog.dropped.empty'), 2);
  t.equal(events.length, 20);
  t.match(events[0], { outcome: 'ignored', asked: '127.0.0.1: root: 0' });
  t.notOk('mac' in (events[0] ?? {}));
  t.strictSame(memory.read(mac, 0).lines, []);
});
