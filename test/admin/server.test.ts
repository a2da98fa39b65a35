import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readdir, stat, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t from 'tap';
import { createAdminClient } from '../../src/admin/client.ts';
import type { AdminServerOptions } from '../../src/admin/port.ts';
import { startAdminServer } from '../../src/admin/server.ts';
import { TinderboxError } from '../../src/errors.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { encodePcap } from '../../src/protocol/pcap/pcap-file.ts';
import { openStoreReadOnly } from '../../src/store/sqlite-store.ts';
import { ask, boot, MAC, OTHER, ROLE, STATUS, startAdmin, T0 } from '../support/start-admin.ts';
import { until } from '../support/until.ts';

t.test('the packets of a machine are a file, of one session if asked; none is said to be none', async (t) => {
  const asked: unknown[] = [];
  const capture: AdminServerOptions['capture'] = (mac, window) => {
    asked.push(window);
    return mac === MAC ? encodePcap([]) : undefined;
  };
  const { client, journal, socket } = await startAdmin(t, { capture });
  boot(journal, MAC, T0);
  boot(journal, MAC, T0 + 60_000);
  t.same(await client.capture(MAC), Buffer.from(encodePcap([])));
  await client.capture(MAC, 1);
  await client.capture(MAC, 2);
  t.same(asked, [undefined, { from: T0, to: T0 + 60_000 }, { from: T0 + 60_000 }]);
  await t.rejects(client.capture(OTHER), { code: 'not-found', message: /no packets of 52:54/ });
  await t.rejects(client.capture(MAC, 99), { code: 'not-found', message: /session 99/ });
  t.match(await ask(socket, 'GET', `/api/v1/machines/${MAC}/pcap`), {
    status: 200,
    type: 'application/vnd.tcpdump.pcap',
  });
});

t.test('machines, sessions and events come through the real journal and store', async (t) => {
  const { journal, client } = await startAdmin(t);
  t.same(await client.listMachines(), { machines: [] });
  boot(journal, MAC, T0);
  boot(journal, OTHER, T0 + 10_000);
  const { machines } = await client.listMachines();
  t.equal(machines.length, 2, 'what was recorded a moment ago is there');
  const row = machines.find(({ machine }) => machine.mac === MAC);
  t.match(row, {
    machine: { mac: MAC, serial: 'S1', address: '10.77.0.101' },
    session: { stage: 'script', role: 'worker', hostname: 'node-56', address: '10.77.0.101' },
  });
  t.equal((await client.listMachines({ limit: 1, offset: 1 })).machines.length, 1);
  t.equal((await client.listMachines({ limit: 1, offset: 2 })).machines.length, 0);
  const page = { limit: 9, offset: 0 };
  t.equal((await client.listMachines({ ...page, state: 'booting', search: '525400 S1' })).machines.length, 2);
  t.equal((await client.listMachines({ ...page, search: 'node-56' })).machines[0]?.machine.mac, MAC);
  t.same((await client.listMachines({ ...page, state: 'ready' })).machines, []);
  const sorted = await client.listMachines({ ...page, sort: 'mac', reverse: true });
  t.same(
    sorted.machines.map(({ machine }) => machine.mac),
    [MAC, OTHER],
  );

  const { sessions } = await client.machine(MAC);
  t.equal(sessions.length, 1);
  const { events } = await client.events(MAC, sessions[0]?.id);
  t.ok(events.some(({ kind, reasons }) => kind === 'http.script' && reasons[0] === 'because'));
  t.same((await client.events(MAC, 999)).events, []);
  t.ok((await client.events(MAC)).events.every(({ mac }) => mac === MAC));
});

t.test('the status says what the daemon is and counts', async (t) => {
  const { journal, client } = await startAdmin(t);
  journal.count('http.bad-asset-path');
  t.match(await client.status(), { ...STATUS, uptime: 61, counters: { 'http.bad-asset-path': 1 } });
});

t.test('assign and reload reach the daemon, and its refusals come back whole', async (t) => {
  const { client, options } = await startAdmin(t, {
    assign: async ({ mac, role, hostname }) => {
      if (role === 'worker')
        return { mac, role, changed: true, file: '/f', ...(hostname === undefined ? {} : { hostname }) };
      throw new TinderboxError('not-found', `there is no role ${role}`, {
        remedy: 'roles are: worker',
        problems: [{ severity: 'error', message: 'no such folder', file: 'profiles' }],
      });
    },
  });
  t.same(await client.assign({ mac: MAC, role: 'worker', hostname: 'n1' }), {
    mac: MAC,
    role: 'worker',
    hostname: 'n1',
    changed: true,
    file: '/f',
  });
  await t.rejects(client.assign({ mac: MAC, role: 'wroker' }), {
    code: 'not-found',
    message: 'there is no role wroker',
    remedy: 'roles are: worker',
    problems: [{ message: 'no such folder' }],
  });
  t.same(await client.reload(), await options.reload());
});

t.test('approve, forget and who was admitted reach the daemon', async (t) => {
  const { client, options } = await startAdmin(t);
  await options.store.listAdmissions();
  t.match(await client.approve({ mac: MAC }), { mac: MAC, role: 'worker', seen: true });
  const full = { mac: MAC, role: 'etcd', hostname: 'e1', address: '10.77.0.9' };
  t.match(await client.approve(full), { role: 'etcd', hostname: 'e1' });
  t.same(await client.forget(MAC), { mac: MAC, entry: true, place: false, history: 'forgotten', nodes: [] });
  t.same(await client.admissions(), { admissions: [], onceUses: [] });
});

t.test('an explanation is asked for as if the firmware were another', async (t) => {
  const { client, socket } = await startAdmin(t);
  t.same(await client.console(MAC), { mac: MAC, lines: [], missed: 0 });
  t.match(await client.console(MAC, 7), { missed: 7 }, 'from a line on');
  t.equal((await ask(socket, 'GET', `/api/v1/machines/${MAC}/console?after=x`)).status, 400);
  t.match(await client.explain(MAC), { mac: MAC, message: 'as nothing' });
  t.match(await client.explain(MAC, 'uefi-x64'), { message: 'as UEFI x64' });
  const { status, text } = await ask(socket, 'GET', `/api/v1/machines/${MAC}/explain?arch=uefi-x65`);
  t.match({ status, text }, { status: 400, text: /no firmware architecture.*uefi-x64/ });
});

t.test('bad requests are problem documents of RFC 9457', async (t) => {
  const { socket } = await startAdmin(t);
  const bad: readonly [status: number, method: string, path: string, body?: string, type?: string][] = [
    [400, 'GET', '/api/v1/machines?limit=0'],
    [400, 'GET', '/api/v1/machines?limit=1&limit=2'],
    [400, 'GET', '/api/v1/machines?offset=-1'],
    [400, 'GET', '/api/v1/machines?state=nonsense'],
    [400, 'GET', '/api/v1/machines?sort=nonsense'],
    [400, 'GET', '/api/v1/machines?role=a&role=b'],
    [400, 'GET', `/api/v1/machines?search=${'x'.repeat(201)}`],
    [400, 'GET', '/api/v1/machines/nonsense'],
    [404, 'GET', `/api/v1/machines/${MAC}`],
    [404, 'GET', `/api/v1/machines/${MAC}/events`],
    [400, 'GET', `/api/v1/machines/${MAC}/events?session=x`],
    [400, 'GET', '/api/v1/events?mac=x'],
    [404, 'GET', '/api/v2/machines'],
    [404, 'DELETE', '/api/v1/machines'],
    [400, 'POST', '/api/v1/assign', '{'],
    [400, 'POST', '/api/v1/assign', 'null'],
    [400, 'POST', '/api/v1/assign', `{"mac":"${MAC}"}`],
    [400, 'POST', '/api/v1/assign', `{"mac":"x","role":"worker"}`],
    [400, 'POST', '/api/v1/assign', `{"mac":"${MAC}","role":"worker","hostname":7}`],
    [400, 'POST', '/api/v1/assign', `{"mac":"${MAC}","role":"worker","rolle":"x"}`],
    [400, 'POST', '/api/v1/approve', '[]'],
    [400, 'POST', '/api/v1/approve', `{"mac":"${MAC}","address":7}`],
    [400, 'POST', '/api/v1/approve', `{"mac":"${MAC}","max":"7"}`],
    [400, 'POST', '/api/v1/forget', '{}'],
    [400, 'POST', '/api/v1/forget', `{"mac":"${MAC}","role":"worker"}`],
    [400, 'POST', '/api/v1/assign', 'mac=x', 'application/x-www-form-urlencoded'],
    [400, 'POST', '/api/v1/assign', JSON.stringify({ x: 'x'.repeat(70_000) })],
  ];
  for (const [status, method, path, body, type] of bad) {
    const answer = await ask(socket, method, path, body, type);
    const name = `${method} ${path} ${body?.slice(0, 60) ?? ''}`;
    t.equal(answer.status, status, name);
    t.match(answer.type, /^application\/problem\+json/, name);
    t.match(
      JSON.parse(answer.text),
      { type: /^urn:tinderbox:problem:/, title: String, status, detail: /./ },
      name,
    );
  }
});

t.test('an error nobody foresaw is in the log, not in the answer', async (t) => {
  const { client, log } = await startAdmin(t, {
    status: () => {
      throw new Error('key 0xsecret is bad');
    },
  });
  await t.rejects(client.status(), { code: 'internal', message: /the log of tinderbox/ });
  t.match(log(), '0xsecret');
});

t.test('followers get each event live, of one machine if they ask, and leave without a trace', async (t) => {
  const { journal, client } = await startAdmin(t);
  const aborter = new AbortController();
  const all = await client.follow({ signal: aborter.signal });
  const one = await client.follow({ mac: OTHER, signal: aborter.signal });
  boot(journal, MAC, T0);
  boot(journal, OTHER, T0 + 1);
  const seen = { all: [] as BootEvent[], one: [] as BootEvent[] };
  for await (const event of all) {
    seen.all.push(event);
    if (event.mac === OTHER && event.kind === 'http.script') break;
  }
  for await (const event of one) {
    seen.one.push(event);
    if (event.kind === 'http.script') break;
  }
  t.ok(seen.all.some(({ mac }) => mac === MAC));
  t.ok(seen.one.length > 0 && seen.one.every(({ mac }) => mac === OTHER));
  const last = await client.follow({ signal: aborter.signal });
  aborter.abort();
  for await (const event of last) t.fail(`nothing more: ${event.kind}`);
  t.pass('an abort ends a stream without an error');
});

t.test('stopping ends the streams of those who follow', async (t) => {
  const { client, server } = await startAdmin(t);
  const stream = await client.follow();
  await server.stop({ graceMs: 5_000 });
  for await (const event of stream) t.fail(`nothing more: ${event.kind}`);
  await t.rejects(client.status(), { code: 'unavailable' });
});

t.test('stopping drops connections that say nothing, and a follower that reads nothing', async (t) => {
  const { journal, server, socket } = await startAdmin(t, { listen: { host: '127.0.0.1', port: 0 } });
  const silent = [connect(socket), connect({ host: '127.0.0.1', port: server.address?.port ?? 0 })];
  await Promise.all(silent.map((each) => once(each, 'connect')));
  // Accepted in order: once this one is answered, those before it are known to the server.
  const follower = connect(socket, () => follower.write('GET /api/v1/events HTTP/1.1\r\nHost: t\r\n\r\n'));
  await once(follower, 'readable');
  for (let at = 0; at < 2_000; at++) boot(journal, MAC, T0 + at * 5_000);
  const ends = [...silent, follower].map((each) => {
    each.on('error', () => undefined);
    return new Promise((resolve) => void each.once('close', resolve));
  });
  await server.stop({ graceMs: 20 });
  follower.resume();
  for (const each of silent) each.resume();
  await Promise.all(ends);
  t.pass('it stopped, and they are gone');
});

t.test('the socket is for user and group alone', async (t) => {
  const { socket } = await startAdmin(t);
  t.equal(((await stat(socket)).mode & 0o777).toString(8), '660');
});

t.test('a socket of a dead daemon is replaced, one of a live daemon is not', async (t) => {
  const { socket, options, client } = await startAdmin(t);
  await t.rejects(startAdminServer(options), {
    code: 'in-use',
    message: `another tinderbox listens on ${socket}`,
  });
  t.ok(await client.status(), 'the live one was not disturbed');

  const dead = `${socket}.dead`;
  const program = `require('net').createServer().listen(${JSON.stringify(dead)}, () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.ok((await stat(dead)).isSocket(), 'it left its file behind');
  const second = await startAdminServer({ ...options, socket: dead });
  t.ok(await createAdminClient(dead).status());
  await second.stop({ graceMs: 5_000 });
});

t.test('a path that cannot become a socket is one clear error', async (t) => {
  const { dir, options } = await startAdmin(t);
  await writeFile(join(dir, 'file'), 'precious');
  await t.rejects(startAdminServer({ ...options, socket: join(dir, 'file') }), {
    code: 'in-use',
    message: /in the way/,
  });
  await t.rejects(startAdminServer({ ...options, socket: join(dir, 'none', 'a.sock') }), {
    message: /cannot be made/,
    remedy: /folder exists/,
  });
  const long = join(dir, 'x'.repeat(120));
  await t.rejects(startAdminServer({ ...options, socket: long }), {
    code: 'invalid-config',
    message: /longer path/,
  });
});

t.test('over TCP nothing is told but that somebody is home', async (t) => {
  const { server, journal } = await startAdmin(t, { listen: { host: '127.0.0.1', port: 0 } });
  boot(journal, MAC, T0);
  const url = `http://127.0.0.1:${server.address?.port}`;
  t.equal(await (await fetch(`${url}/healthz`)).text(), 'ok\n');
  for (const path of ['/api/v1/machines', '/api/v1/status', '/api/v1/events', '/']) {
    const answer = await fetch(url + path);
    t.equal(answer.status, 401, path);
    t.notMatch(await answer.text(), MAC);
  }
});

t.test('a TCP address that is taken leaves no socket open either', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => void taken.close());
  const { port } = taken.address() as { port: number };
  const { options, dir } = await startAdmin(t);
  const socket = join(dir, 'second.sock');
  await t.rejects(startAdminServer({ ...options, socket, listen: { host: '127.0.0.1', port } }), {
    code: 'in-use',
    remedy: /admin\.listen/,
  });
  await t.rejects(createAdminClient(socket).status(), { code: 'unavailable' });
});

t.test('a client says what to do where no daemon listens or none may be asked', async (t) => {
  const { dir, socket } = await startAdmin(t);
  const remedy = 'start tinderbox serve, or name its configuration with --config';
  await t.rejects(createAdminClient(join(dir, 'none')).status(), { code: 'unavailable', remedy });
  await t.rejects(createAdminClient(join(dir, 'none')).follow(), { code: 'unavailable', remedy });
  if (process.getuid?.() === 0) return t.comment('root may ask any socket');
  await chmod(socket, 0o000);
  await t.rejects(createAdminClient(socket).status(), { code: 'refused' });
});

t.test(
  'what is logged is asked for and changed; a wrong change is refused, and changes nothing',
  async (t) => {
    const { client, socket } = await startAdmin(t);
    const before = await client.log();
    t.equal(before.level, 'info');
    t.ok(before.parts.some(({ part, level }) => part === 'dhcp' && level === 'info'));
    const changed = await client.changeLog({ level: 'debug', part: 'dhcp', trace: MAC, seconds: 60 });
    t.match(changed.traces, [{ mac: MAC, until: T0 + 60_000 }]);
    t.same(
      changed.parts.filter(({ until }) => until !== undefined),
      [{ part: 'dhcp', level: 'debug', until: T0 + 60_000 }],
    );
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ level: 'debug' }, /seconds/],
      [{ level: 'debug', seconds: 10 ** 7 }, /seconds/],
      [{ level: 'loud', seconds: 1 }, /level: expected one of trace/],
      [{ level: 'debug', part: 'trace', seconds: 1 }, /part: expected one of daemon/],
      [{ level: 'debug', part: 'constructor', seconds: 1 }, /part: expected/],
      [{ trace: 'x', seconds: 1 }, /trace: expected a MAC/],
      [{ reset: false, seconds: 1 }, /reset/],
      [{ file: '/etc/passwd', seconds: 1 }, /unknown key "file"/],
    ];
    for (const [change, said] of wrong) {
      const { status, text } = await ask(socket, 'POST', '/api/v1/log', JSON.stringify(change));
      t.equal(status, 400, JSON.stringify(change));
      t.match((JSON.parse(text) as { detail: string }).detail, said);
    }
    t.same(await client.log(), changed);
    t.match(await client.changeLog({ reset: true, seconds: 1 }), { traces: [] });
  },
);
t.test('the database is copied as it is now, with what was recorded a moment ago', async (t) => {
  const { dir, socket, journal } = await startAdmin(t);
  boot(journal, '52:54:00:00:00:0f' as Mac, T0);
  const { size, stream } = await createAdminClient(socket).copyDatabase();
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const copy = join(dir, 'copy.db');
  await writeFile(copy, Buffer.concat(chunks));
  t.equal((await stat(copy)).size, size);
  const reader = await openStoreReadOnly(copy);
  t.equal((await reader.listMachines({ limit: 9, offset: 0 })).length, 1);
  await reader.close();
  t.same(
    (await readdir(dir)).filter((name) => name.includes('.part')),
    [],
  );
});

t.test('a client that goes away while the copy is made keeps nobody from another one', async (t) => {
  const asked = Promise.withResolvers<void>();
  const goneAway = Promise.withResolvers<void>();
  let disposed = 0;
  const { socket } = await startAdmin(t, {
    copyDatabase: async () => {
      asked.resolve();
      await goneAway.promise;
      return {
        size: 4,
        stream: Readable.from([Buffer.from('copy')]),
        [Symbol.asyncDispose]: async () => void disposed++,
      };
    },
  });
  const going = request({ socketPath: socket, path: '/api/v1/backup', method: 'POST' });
  going.on('error', () => undefined).end();
  await asked.promise;
  going.destroy();
  // The server's side of the connection hears of it a turn or two later.
  await ask(socket, 'GET', '/healthz');
  goneAway.resolve();
  await until(() => disposed > 0);
  t.ok(disposed > 0);
});

t.test('a client that reads nothing of the copy does not keep it from others for ever', async (t) => {
  let disposed = 0;
  const { socket } = await startAdmin(t, {
    mostStall: 100,
    copyDatabase: async () => ({
      // More than any socket takes in.
      size: 64 * 1024 * 1024,
      stream: Readable.from(Array.from({ length: 1024 }, () => Buffer.alloc(64 * 1024))),
      [Symbol.asyncDispose]: async () => void disposed++,
    }),
  });
  const idle = connect(socket);
  t.teardown(() => idle.destroy());
  idle.on('error', () => undefined).pause();
  idle.write('POST /api/v1/backup HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => disposed > 0);
  t.ok(disposed > 0);
});

t.test('roles, one of them, and what a machine would be served with it', async (t) => {
  const { client, socket } = await startAdmin(t);
  t.same((await client.roles()).roles, [ROLE]);
  const role = await client.role('worker');
  t.equal(role.files[0]?.name, 'role.yaml');
  t.same(role.usedBy, [{ mac: MAC }]);
  await t.rejects(client.role('../etc'), { code: 'not-found' });
  t.equal((await client.preview(MAC)).role, 'worker');
  t.equal((await client.preview(MAC, 'a&b')).role, 'a&b');
  const twice = await ask(socket, 'GET', `/api/v1/machines/${MAC}/preview?role=a&role=b`);
  t.equal(twice.status, 400);
});

t.test('power is asked for by GET, and changed by POST', async (t) => {
  const { socket, client } = await startAdmin(t);
  t.match(await client.power(MAC, 'status'), { mac: MAC, action: 'status', state: 'on' });
  t.match(await client.power(MAC, 'cycle', { pxe: false }), { action: 'cycle', did: '{"pxe":false}' });
  t.match(await client.power(MAC, 'on'), { action: 'on', did: '{}' });
  const path = `/api/v1/machines/${MAC}/power`;
  for (const body of [
    '{}',
    '{"action":"status"}',
    '{"action":"on","pxe":1}',
    '{"action":"on","x":1}',
    '[]',
    '',
  ]) {
    t.equal((await ask(socket, 'POST', path, body)).status, 400, body);
  }
  t.equal((await ask(socket, 'GET', '/api/v1/machines/nonsense/power')).status, 400);
});
