import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { TinderboxError } from '../../src/errors.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { JOURNAL_LIMITS } from '../../src/store/journal-limits.ts';
import { makeFolder } from '../pki/support/make-cluster.ts';
import { createFakeJournal } from './fake-journal.ts';
import {
  type ClusterServer,
  type ClusterServerOptions,
  clusterRole,
  ISSUED,
  MAC,
  startClusterServer,
} from './start-cluster-server.ts';

const role = clusterRole(ISSUED);

async function start(t: Test, options: ClusterServerOptions = {}): Promise<ClusterServer> {
  return startClusterServer(t, { role, ...options });
}

async function get(url: string, headers: Record<string, string> = {}, method = 'GET') {
  const response = await fetch(url, { headers, method });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Its last byte was sent, and that is on disk. */
async function untilCompleted(server: ClusterServer, sessionId = 1): Promise<void> {
  while ((await server.store.releaseOf(sessionId))?.completedAt === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

t.test('keys are released to one complete response, and then never again in this session', async (t) => {
  const server = await start(t);
  const url = `${await server.session()}/cloud-config`;
  const first = await get(url);
  t.equal(first.status, 200);
  t.equal(first.headers.get('cache-control'), 'no-store');
  t.equal(first.text.match(/BEGIN PRIVATE KEY/g)?.length, 2, 'of node and kube-proxy');
  await untilCompleted(server);
  const second = await get(url);
  t.equal(second.status, 410);
  t.match(second.text, /are not given again; power the machine off and on/);
  t.match(server.journal.observations.slice(-2), [
    {
      kind: 'security.alarm',
      mac: MAC,
      outcome: 'noted',
      answered: /asked for again/,
      evidence: 'alarm',
      reasons: [/^asked from/, /^of session 1: it was released to 127\.0\.0\.1 and sent whole/],
    },
    { kind: 'http.config', outcome: 'refused', answered: '410' },
  ]);
  t.equal(server.journal.counters().get('security.alarm.second-release'), 1);
  t.type(server.journal.sessionById(1)?.alarmedAt, 'number', 'the session is marked');
  t.match(server.log(), /"level":40.*asked for again/);
  const record = JSON.stringify(server.journal.observations) + server.log();
  t.notMatch(record, /BEGIN|PRIVATE/);
  const given = server.journal.observations.filter(({ evidence }) => evidence === 'giving');
  t.match(given, [
    {
      kind: 'http.config',
      outcome: 'answered',
      answered: /^released once, to 127\.0\.0\.1: the cloud-config/,
      reasons: [/^holds certificates.* until 20.*: node [0-9a-f]+, kube-proxy [0-9a-f]+$/],
    },
    { kind: 'http.config', outcome: 'noted', answered: 'its last byte was sent to 127.0.0.1' },
  ]);
  const next = await server.session();
  t.not(`${next}/cloud-config`, url, 'the machine boots again');
  const third = await get(`${next}/cloud-config`);
  t.equal(third.status, 200);
  t.not(third.text, first.text, 'with new keys');
});

t.test('the boot script, HEAD and a wrong session release nothing', async (t) => {
  const server = await start(t);
  const script = await get(`${server.url}/ipxe?mac=${MAC}`);
  t.match(script.text, /BEGIN CERTIFICATE/, 'whom to trust is no secret');
  t.notMatch(script.text, /PRIVATE/);
  const url = `${await server.session()}/cloud-config`;
  t.equal((await get(url, {}, 'HEAD')).status, 404);
  t.equal((await get(url.replace('/cloud', 'x/cloud'))).status, 404);
  t.equal(await server.store.releaseOf(1), undefined);
  t.equal((await get(url)).status, 200);
});

/** Larger than what the kernel takes from a sender whose reader stands still. In bytes. */
const LARGE = 24 * 1024 * 1024;

/** Begins to read and stands still; what it has read, and how it goes away. */
async function beginToRead(url: string): Promise<{ readonly socket: Socket; readonly head: string }> {
  const { hostname, port, pathname } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.write(`GET ${pathname} HTTP/1.1\r\nHost: t\r\n\r\n`);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  socket.pause();
  return { socket, head: chunk.toString('latin1') };
}

async function hangUp(server: ClusterServer, socket: Socket): Promise<void> {
  const said = server.journal.observations.length;
  socket.resetAndDestroy();
  while (server.journal.observations.length === said) await new Promise((resolve) => setImmediate(resolve));
  t.match(server.journal.observations.at(-1), { kind: 'http.config', answered: 'the connection was lost' });
}

function statusFrom(localAddress: string, url: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { localAddress }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => void (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

t.test('a machine whose download breaks off gets the rest of the same text', async (t) => {
  const server = await start(t, { pad: LARGE });
  const url = `${await server.session()}/cloud-config`;
  const { socket, head } = await beginToRead(url);
  const [, etag = ''] = /etag: (.*)\r\n/i.exec(head) ?? [];
  const [, size = ''] = /content-length: (\d+)\r\n/i.exec(head) ?? [];
  const elsewhere = await statusFrom('127.0.0.2', url);
  t.match(elsewhere, { status: 403, text: /being given to another address/ });
  t.match(server.journal.observations.slice(-2), [
    {
      kind: 'security.alarm',
      answered: /by a second address/,
      reasons: ['asked from 127.0.0.2', /being released to 127\.0\.0\.1/],
    },
    { kind: 'http.config', outcome: 'refused', answered: '403' },
  ]);
  await hangUp(server, socket);

  const part = await get(url, { range: 'bytes=0-99' });
  t.match(part, { status: 206 });
  t.equal(part.headers.get('content-range'), `bytes 0-99/${size}`);
  t.match(await get(url, { range: `bytes=${size}-` }), { status: 416 });
  t.equal((await server.store.releaseOf(1))?.completedAt, undefined);
  const rest = await get(url, { range: 'bytes=100-', 'if-range': etag });
  t.equal(rest.status, 206);
  t.equal(part.text.length + rest.text.length, Number(size));
  t.match(part.text + rest.text, /BEGIN PRIVATE KEY/);
  await untilCompleted(server);
  t.equal((await get(url, { range: 'bytes=0-99' })).status, 410);
  t.equal((await statusFrom('127.0.0.2', url)).status, 410);
});

t.test('a part of a text that is no more is answered with the whole of this one', async (t) => {
  const server = await start(t, { pad: LARGE });
  const url = `${await server.session()}/cloud-config`;
  const { socket, head } = await beginToRead(url);
  await hangUp(server, socket);
  const tampered = await get(url, { range: 'bytes=-10', 'if-range': '"another text"' });
  t.equal(tampered.status, 200, 'a part of another text is none of this one');
  t.match(head, /accept-ranges: bytes/);
});

t.test('who does not finish within ten minutes gets no more', async (t) => {
  let now = Date.now();
  const server = await start(t, { pad: LARGE, clock: () => now });
  const url = `${await server.session()}/cloud-config`;
  const { socket } = await beginToRead(url);
  await hangUp(server, socket);
  now += 9 * 60_000;
  t.equal((await get(url, { range: 'bytes=0-9' })).status, 206);
  now += 61_000;
  t.match(await get(url), { status: 410 });
  t.match(server.journal.observations.at(-1)?.reasons, [
    /released to 127.0.0.1 and its ten minutes are over/,
  ]);
  now -= 3_600_000;
  t.match(await get(url), { status: 410 }, 'a clock that is set back gives no more time');
});

const keyOf = (text: string) => /-----BEGIN PRIVATE KEY-----\\?n?[^-]+/.exec(text)?.[0];

t.test('a restart does not release twice, and does not strand who had not got it all', async (t) => {
  const folder = makeFolder(t);
  const journal = createFakeJournal();
  let url = '';
  let first = '';
  await t.test('begun', async (t) => {
    const server = await start(t, { folder, journal, pad: LARGE });
    url = `${await server.session()}/cloud-config`;
    const { socket, head } = await beginToRead(url);
    first = head;
    await hangUp(server, socket);
  });
  await t.test('again', async (t) => {
    const server = await start(t, { folder, journal });
    url = url.replace(/^http:\/\/[^/]+/, server.url);
    t.match(await statusFrom('127.0.0.2', url), { status: 403 });
    const { status, text } = await get(url, { range: 'bytes=5-' });
    t.equal(status, 200, 'whole, since it is another text');
    t.ok(keyOf(text));
    t.notOk(first.includes(keyOf(text) ?? ''), 'with new keys');
    t.match(
      journal.observations
        .filter(({ kind, outcome }) => kind === 'http.config' && outcome === 'answered')
        .at(-1)
        ?.reasons.join(),
      /begun before a restart/,
    );
    await untilCompleted(server);
  });
  const server = await start(t, { folder, journal });
  url = url.replace(/^http:\/\/[^/]+/, server.url);
  t.equal((await get(url)).status, 410);
});

t.test('what cannot be written down is not released, and can be asked for again', async (t) => {
  let isFull = true;
  const server = await start(t, {
    change: (one) => ({
      ...one,
      book: {
        ...one.book,
        async beginRelease(...args) {
          if (isFull) throw new TinderboxError('unavailable', 'the disk is full');
          return one.book.beginRelease(...args);
        },
      },
    }),
  });
  const url = `${await server.session()}/cloud-config`;
  const full = await get(url);
  t.equal(full.status, 503);
  t.ok(full.headers.get('retry-after'));
  t.notMatch(full.text, /BEGIN/);
  t.match(server.journal.observations.at(-1), {
    kind: 'http.config',
    outcome: 'failed',
    reasons: [/default/, /the disk is full/],
  });
  isFull = false;
  t.equal((await get(url)).status, 200);
});

t.test('one of too many new machines is given no keys yet, and is told to come again', async (t) => {
  const journal = { ...createFakeJournal(), keepRecord: () => 'full' as const };
  const server = await startClusterServer(t, { role: clusterRole(ISSUED), journal });
  const answer = await fetch(`${await server.session()}/cloud-config`);
  t.equal(answer.status, 503);
  t.equal(answer.headers.get('retry-after'), '5');
  t.equal(await server.store.releaseOf(1), undefined);
  t.same(await server.store.listMachines({ limit: 9, offset: 0 }), []);
  t.match(journal.observations.at(-1), { kind: 'http.config', outcome: 'refused', answered: '503' });
});

t.test('a release that ended is ended, even if that cannot be written down', async (t) => {
  const server = await start(t, {
    change: (one) => ({
      ...one,
      book: { ...one.book, completeRelease: () => Promise.reject(new Error('the disk is full')) },
    }),
  });
  const url = `${await server.session()}/cloud-config`;
  t.equal((await get(url)).status, 200);
  while (!server.log().includes('the end of a release could not be written')) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal((await get(url)).status, 410);
});

t.test('an error never quotes keys', async (t) => {
  const server = await start(t, {
    rendered(body) {
      if (!body.includes('SAMPLE')) throw new TinderboxError('invalid-template', `no YAML: ${body}`);
    },
  });
  const answer = await get(`${await server.session()}/cloud-config`);
  t.equal(answer.status, 500);
  const record = JSON.stringify(server.journal.observations) + server.log() + answer.text;
  t.notMatch(record, /BEGIN|MII/);
  t.match(record, /the reason is not told, since it may quote them/);
  t.equal(await server.store.releaseOf(1), undefined);
});

t.test('requests at once are one release', async (t) => {
  let issued = 0;
  const server = await start(t, {
    change: (one) => ({
      ...one,
      issue(asked) {
        issued += 1;
        return one.issue(asked);
      },
    }),
  });
  const url = `${await server.session()}/cloud-config`;
  const answers = await Promise.all(Array.from({ length: 8 }, () => get(url)));
  t.equal(issued, 1);
  const texts = new Set(answers.filter(({ status }) => status === 200).map(({ text }) => text));
  t.equal(texts.size, 1);
  t.ok(answers.every(({ status }) => status === 200 || status === 410));
});

t.test('a controller that makes its own keys gets the shared pair once', async (t) => {
  const controller = clusterRole({
    identity: 'controller',
    config: {
      format: 'cloud-config',
      template: {
        file: 'role.yaml',
        text: '#cloud-config\nwrite_files:\n  - path: /sa\n    content: {{quote identity.serviceAccounts.privateKey}}\n',
        line: 1,
      },
    },
  });
  const server = await start(t, { role: controller });
  const url = `${await server.session()}/cloud-config`;
  t.match(await get(url), { status: 200, text: /BEGIN PRIVATE KEY/ });
  await untilCompleted(server);
  t.equal((await get(url)).status, 410);
});

t.test('an event has room for all certificates of a controller, and says first who got them', async (t) => {
  const server = await start(t, { role: clusterRole({ ...ISSUED, identity: 'controller' }) });
  const url = `${await server.session()}/cloud-config`;
  t.equal((await get(url)).status, 200);
  const event = server.journal.observations.find(
    ({ kind, outcome }) => kind === 'http.config' && outcome === 'answered',
  );
  t.match(event?.answered, /^released once, to 127\.0\.0\.1: /);
  const { reasons, textLength } = JOURNAL_LIMITS;
  t.ok((event?.reasons.length ?? 99) <= reasons);
  t.ok(event?.reasons.every(({ length }) => length <= textLength));
  const text = event?.reasons.join() ?? '';
  t.equal(text.match(/[0-9a-f]{32}/g)?.length, 11, text);
});

t.test('who is still given it after the machine began another boot takes that one nowhere', async (t) => {
  const server = await start(t, {
    change: (one) => ({
      ...one,
      book: {
        ...one.book,
        async beginRelease(...args) {
          const begun = await one.book.beginRelease(...args);
          server.journal.record({
            at: Date.now(),
            kind: 'dhcp.discover',
            mac: MAC as Mac,
            client: 'rom',
            stage: 'offered',
            outcome: 'answered',
            asked: '',
            answered: '',
            reasons: [],
          });
          return begun;
        },
      },
    }),
  });
  const url = `${await server.session()}/cloud-config`;
  await get(url);
  t.match(server.journal.sessionOf(MAC as Mac), { id: 2, stage: 'offered' });
  const events = server.journal.observations.filter(({ kind }) => kind === 'http.config');
  t.ok(events.length > 0);
  t.ok(events.every(({ sessionId }) => sessionId === 1));
});
