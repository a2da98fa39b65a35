import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open, rename, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { createFileSender } from '../../src/net/file-sender.ts';
import { exchange, rawGet, startTestServer, type TestServer } from './start-test-server.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const LOOPBACK = 0x7f000001 as Ipv4;
const MIB = 1024 * 1024;

/** From memory and from disk, by another thread and by the main one. */
const WAYS = [true, false].flatMap((threads) => [32 * MIB, 0].map((cacheBytes) => ({ threads, cacheBytes })));

async function get(url: string, headers: Record<string, string> = {}, method = 'GET') {
  const response = await fetch(url, { method, headers, redirect: 'manual' });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Asks and leaves the answer unread, so that the server stands in the middle of it. */
async function beginDownload(server: TestServer, name: string): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1');
  socket.write(`GET /assets/${name} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n`);
  await once(socket, 'readable');
  return socket;
}

/** The body of what is left on a connection. */
async function readRest(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'close');
  const all = Buffer.concat(chunks);
  return all.subarray(all.indexOf('\r\n\r\n') + 4);
}

/** Resolves with the next observation of an asset. */
function nextAsset(server: TestServer) {
  return new Promise<(typeof server.journal.observations)[number]>((resolve) => {
    const stop = server.journal.subscribe((event) => {
      if (event.kind !== 'http.asset') return;
      stop();
      resolve(server.journal.observations.at(-1) as never);
    });
  });
}

t.test('a file is served whole with everything that a client needs to ask again', async (t) => {
  const { url, assets } = await startTestServer(t);
  await writeFile(join(assets, 'snponly.efi'), 'abcdef');
  await utimes(join(assets, 'snponly.efi'), 1_700_000_000, 1_700_000_000);
  const { status, headers, text } = await get(`${url}/assets/snponly.efi?x=1`);
  t.equal(status, 200);
  t.equal(text, 'abcdef');
  t.match(Object.fromEntries(headers), {
    'content-length': '6',
    'content-type': 'application/efi',
    'accept-ranges': 'bytes',
    'last-modified': 'Tue, 14 Nov 2023 22:13:20 GMT',
    etag: /^"[\w-]+"$/,
  });
  const head = await get(`${url}/assets/snponly.efi`, {}, 'HEAD');
  t.equal(head.headers.get('content-length'), '6');
  t.equal(head.headers.get('etag'), headers.get('etag'));
  t.equal(head.text, '');
});

t.test('ranges follow RFC 9110, from memory and from disk alike', async (t) => {
  for (const cacheBytes of [MIB, 0]) {
    const { url, assets } = await startTestServer(t, { cacheBytes });
    await writeFile(join(assets, 'file'), '0123456789');
    await writeFile(join(assets, 'empty'), '');
    const table: readonly [range: string, status: number, text: string, contentRange: string | null][] = [
      ['bytes=0-3', 206, '0123', 'bytes 0-3/10'],
      ['bytes=4-', 206, '456789', 'bytes 4-9/10'],
      ['bytes=9-9', 206, '9', 'bytes 9-9/10'],
      ['bytes=5-99', 206, '56789', 'bytes 5-9/10'],
      ['bytes=-3', 206, '789', 'bytes 7-9/10'],
      ['bytes=-99', 206, '0123456789', 'bytes 0-9/10'],
      ['Bytes=0-0', 206, '0', 'bytes 0-0/10'],
      ['bytes=10-', 416, '', 'bytes */10'],
      ['bytes=-0', 416, '', 'bytes */10'],
      ['bytes=3-2', 200, '0123456789', null],
      ['bytes=0-1,4-5', 200, '0123456789', null],
      ['bytes=-', 200, '0123456789', null],
      ['bytes=a-b', 200, '0123456789', null],
      ['lines=0-1', 200, '0123456789', null],
      [`bytes=${'9'.repeat(400)}-`, 200, '0123456789', null],
    ];
    for (const [range, status, text, contentRange] of table) {
      const answer = await get(`${url}/assets/file`, { range });
      t.equal(answer.status, status, range);
      t.equal(answer.text, text, range);
      t.equal(answer.headers.get('content-range'), contentRange, range);
      t.equal(answer.headers.get('content-length'), String(text.length), range);
    }
    t.match(await get(`${url}/assets/empty`), { status: 200, text: '' });
    t.equal((await get(`${url}/assets/empty`, { range: 'bytes=0-' })).status, 416);
    const head = await get(`${url}/assets/file`, { range: 'bytes=0-3' }, 'HEAD');
    t.equal(head.status, 200, 'a range means nothing to HEAD');
    t.equal(head.headers.get('content-length'), '10');
  }
});

t.test('conditions are evaluated in the order of RFC 9110', async (t) => {
  const { url, assets } = await startTestServer(t);
  await writeFile(join(assets, 'file'), '0123456789');
  await utimes(join(assets, 'file'), 1_700_000_000.5, 1_700_000_000.5);
  const etag = (await get(`${url}/assets/file`)).headers.get('etag') ?? '';
  const at = new Date(1_700_000_000_000).toUTCString();
  const before = new Date(1_699_999_999_000).toUTCString();
  const table: readonly [Record<string, string>, number][] = [
    [{ 'if-none-match': etag }, 304],
    [{ 'if-none-match': `"x", W/${etag}` }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"x"' }, 200],
    [{ 'if-none-match': '"x"', 'if-modified-since': at }, 200],
    [{ 'if-modified-since': at }, 304],
    [{ 'if-modified-since': before }, 200],
    [{ 'if-modified-since': 'yesterday' }, 200],
    [{ 'if-match': etag }, 200],
    [{ 'if-match': `W/${etag}` }, 412],
    [{ 'if-match': '"x"' }, 412],
    [{ 'if-unmodified-since': before }, 412],
    [{ 'if-unmodified-since': at }, 200],
    [{ range: 'bytes=0-1', 'if-range': etag }, 206],
    [{ range: 'bytes=0-1', 'if-range': at }, 206],
    [{ range: 'bytes=0-1', 'if-range': '"x"' }, 200],
    [{ range: 'bytes=0-1', 'if-range': `W/${etag}` }, 200],
    [{ range: 'bytes=0-1', 'if-range': before }, 200],
    [{ range: 'bytes=0-1', 'if-none-match': etag }, 304],
  ];
  for (const [headers, status] of table) {
    t.equal((await get(`${url}/assets/file`, headers)).status, status, JSON.stringify(headers));
  }
});

t.test('no path leads out of the assets folder or to what is not meant to be served', async (t) => {
  const server = await startTestServer(t);
  const { assets, port, journal } = server;
  await mkdir(join(assets, 'flatcar'));
  await writeFile(join(assets, 'flatcar', 'vmlinuz'), 'kernel');
  await writeFile(join(assets, '.secret'), 'secret');
  await symlink('/etc/passwd', join(assets, 'passwd'));
  await symlink('/etc', join(assets, 'etc'));
  await symlink('flatcar', join(assets, 'current'));
  await symlink('nowhere', join(assets, 'dangling'));
  const refused = [
    '/assets/../package.json',
    '/assets/flatcar/../flatcar/vmlinuz',
    '/assets/%2e%2e/%2e%2e/etc/passwd',
    '/assets/..%2f..%2fetc/passwd',
    '/assets/flatcar%2fvmlinuz',
    '/assets/..%5c..%5cetc/passwd',
    '/assets/..\\..\\etc\\passwd',
    '/assets/%252e%252e/etc/passwd',
    '/assets/vmlinuz%00.txt',
    '/assets/%00',
    '/assets//etc/passwd',
    '/assets/%2fetc/passwd',
    '/assets/.secret',
    '/assets/%2esecret',
    '/assets/./flatcar/vmlinuz',
    '/assets/passwd',
    '/assets/etc/passwd',
    '/assets/dangling',
    '/assets/flatcar',
    '/assets/flatcar/',
    '/assets/',
    '/assets/flatcar/vmlinuz/x',
    '/assets/none',
    '/assets/%c3%28',
    `/assets/${'x'.repeat(300)}`,
    '/%61ssets/flatcar/vmlinuz',
    '/assets/%zz',
  ];
  for (const target of refused) {
    const { status, text } = await rawGet(port, target);
    t.ok(status === 404 || status === 400, `${target}: ${status}`);
    t.notMatch(text, /root:|secret\r|kernel/);
    t.notMatch(text, assets, 'no path of the server is told');
  }
  t.match(await rawGet(port, '/assets/current/vmlinuz'), { status: 200 }, 'a link that stays inside is fine');
  t.match(
    await rawGet(port, `http://h/assets/flatcar/vmlinuz`),
    { status: 200 },
    'the absolute form is legal',
  );
  const passwd = journal.observations.find(({ asked }) => asked === 'GET /assets/passwd');
  t.match(passwd, { outcome: 'refused', answered: '404', reasons: [/leads out/] });
});

t.test('an assets folder that is itself a link, or missing, is no special case', async (t) => {
  const real = await startTestServer(t);
  await writeFile(join(real.assets, 'file'), 'x');
  const link = join(real.assets, 'link');
  await symlink('.', link);
  const linked = await startTestServer(t, { assets: link });
  t.match(await get(`${linked.url}/assets/file`), { status: 200, text: 'x' });
  const missing = await startTestServer(t, { assets: join(real.assets, 'gone') });
  t.match(await get(`${missing.url}/assets/file`), { status: 404, text: /tinderbox check/ });
});

t.test('kernel and initrd are stages once their last byte is gone, and only then', async (t) => {
  const server = await startTestServer(t);
  const { url, assets, journal } = server;
  await writeFile(join(assets, 'vmlinuz'), 'kernel');
  await writeFile(join(assets, 'initrd'), 'initrd');
  await get(`${url}/ipxe?mac=${MAC}`);
  await get(`${url}/assets/vmlinuz`, {}, 'HEAD');
  await get(`${url}/assets/vmlinuz`, { range: 'bytes=0-2' });
  t.equal(journal.sessionById(1)?.stage, 'script');
  await get(`${url}/assets/vmlinuz`);
  t.equal(journal.sessionById(1)?.stage, 'kernel');
  t.match(journal.observations.at(-1), {
    mac: MAC,
    kind: 'http.asset',
    asked: 'GET /assets/vmlinuz',
    outcome: 'answered',
    answered: /^200, 6 bytes in \d+ ms$/,
    stage: 'kernel',
    reasons: ['from memory'],
  });
  await get(`${url}/assets/initrd`, { range: 'bytes=3-' });
  t.equal(journal.sessionById(1)?.stage, 'initrd', 'a resumed download counts with its last byte');
});

t.test('a download that its client gives up is a failure with the bytes that went out', async (t) => {
  for (const { threads, cacheBytes } of WAYS) {
    const server = await startTestServer(t, { cacheBytes, threads });
    await writeFile(join(server.assets, 'vmlinuz'), Buffer.alloc(12 * MIB));
    server.journal.learnAddress(LOOPBACK, MAC);
    const told = nextAsset(server);
    const socket = await beginDownload(server, 'vmlinuz');
    socket.destroy();
    const { outcome, answered, reasons, stage } = await told;
    t.equal(outcome, 'failed');
    t.match(answered, /^200, \d+ of 12582912 bytes$/);
    t.equal(reasons[0], 'the client closed the connection');
    t.equal(stage, undefined);
  }
});

t.test('a client that takes nothing is dropped, counted and told apart from one that left', async (t) => {
  for (const { threads, cacheBytes } of WAYS) {
    const server = await startTestServer(t, { cacheBytes, threads, limits: { stallTime: 500 } });
    await writeFile(join(server.assets, 'image'), Buffer.alloc(12 * MIB));
    const told = nextAsset(server);
    const socket = await beginDownload(server, 'image');
    t.teardown(() => void socket.destroy());
    t.match((await told).reasons[0], 'took no byte for too long');
    t.equal(server.journal.counters().get('http.stalled'), 1);
  }
});

t.test('a file replaced by renaming during a download: each client gets one whole version', async (t) => {
  for (const { threads, cacheBytes } of WAYS) {
    const server = await startTestServer(t, { cacheBytes, threads });
    const path = join(server.assets, 'image');
    await writeFile(path, Buffer.alloc(10 * MIB, 'a'));
    const early = await beginDownload(server, 'image');
    await writeFile(`${path}.new`, Buffer.alloc(11 * MIB, 'b'));
    await rename(`${path}.new`, path);
    const late = await get(`${server.url}/assets/image`);
    t.equal(late.text.length, 11 * MIB);
    t.equal(late.text.indexOf('a'), -1);
    const body = await readRest(early);
    t.equal(body.length, 10 * MIB);
    t.equal(body.indexOf('b'), -1);
  }
});

t.test('a file rewritten in place: memory keeps the version, disk drops the connection', async (t) => {
  const changes: Record<string, (path: string) => Promise<void>> = {
    truncated: (path) => truncate(path, 10),
    'rewritten with its old length': async (path) => {
      const handle = await open(path, 'r+');
      await handle.write(Buffer.alloc(10 * MIB, 'b'), 0, 10 * MIB, 0);
      await handle.close();
    },
  };
  for (const [name, change] of Object.entries(changes)) {
    for (const { threads, cacheBytes } of WAYS) {
      const server = await startTestServer(t, { cacheBytes, threads });
      const path = join(server.assets, 'image');
      await writeFile(path, Buffer.alloc(10 * MIB, 'a'));
      // Only what is whole in memory is out of reach.
      if (cacheBytes > 0) await get(`${server.url}/assets/image`);
      const told = nextAsset(server);
      const socket = await beginDownload(server, 'image');
      await change(path);
      const body = await readRest(socket);
      const { outcome, reasons } = await told;
      if (cacheBytes > 0) {
        t.equal(body.length, 10 * MIB, name);
        t.equal(body.indexOf('b'), -1);
      } else {
        t.ok(body.length < 10 * MIB, `${name}: never a whole body of two versions`);
        t.equal(outcome, 'failed');
        t.match(reasons[0], 'replace files by renaming');
      }
    }
  }
});

t.test('a large file arrives byte for byte, whole and in parts, and the connection serves on', async (t) => {
  for (const { threads, cacheBytes } of WAYS) {
    const server = await startTestServer(t, { cacheBytes, threads });
    const bytes = randomBytes(5 * MIB + 77);
    await writeFile(join(server.assets, 'image'), bytes);
    const whole = await fetch(`${server.url}/assets/image`);
    t.ok(Buffer.from(await whole.arrayBuffer()).equals(bytes), `${cacheBytes} ${threads}`);
    const answers = await exchange(
      server.port,
      [
        'GET /assets/image HTTP/1.1\r\nHost: t\r\nRange: bytes=7-3000006\r\n\r\n',
        'GET /assets/image HTTP/1.1\r\nHost: t\r\nRange: bytes=1000000-\r\n\r\n',
        'GET /assets/image HTTP/1.1\r\nHost: t\r\nRange: bytes=-9\r\nConnection: close\r\n\r\n',
      ].join(''),
    );
    const bodies = answers.split(/HTTP\/1\.1 206 .*?\r\n\r\n/s).slice(1);
    t.equal(bodies.length, 3, 'one connection');
    t.ok(Buffer.from(bodies[0] ?? '', 'latin1').equals(bytes.subarray(7, 3_000_007)));
    t.ok(Buffer.from(bodies[1] ?? '', 'latin1').equals(bytes.subarray(1_000_000)));
    t.ok(Buffer.from(bodies[2] ?? '', 'latin1').equals(bytes.subarray(-9)));
    t.match(server.journal.observations.at(-1), { outcome: 'answered', bytes: 9 });
  }
});

t.test('what has begun is finished while the server stops, and dropped when its time is up', async (t) => {
  for (const { threads, cacheBytes } of WAYS) {
    for (const graceMs of [60_000, 10]) {
      const server = await startTestServer(t, { cacheBytes, threads });
      await writeFile(join(server.assets, 'image'), Buffer.alloc(10 * MIB, 'a'));
      const told = nextAsset(server);
      const socket = await beginDownload(server, 'image');
      const stopped = server.server.stop({ graceMs });
      if (graceMs === 10) await stopped;
      const body = await readRest(socket);
      await stopped;
      if (graceMs === 10) t.ok(body.length < 10 * MIB);
      else t.equal(body.length, 10 * MIB);
      t.equal((await told).outcome, graceMs === 10 ? 'failed' : 'answered');
    }
  }
});

t.test('a thread that ends takes its downloads with it, with the reason, and nothing else', async (t) => {
  const crashed: string[] = [];
  const entry = new URL('../net/failing-sender.ts', import.meta.url);
  const fileSender = createFileSender({ threads: 1, crashed: (reason) => void crashed.push(reason), entry });
  if (fileSender === undefined) throw new Error('no C library');
  t.teardown(() => fileSender.stop());
  const server = await startTestServer(t, { cacheBytes: 64 * MIB, fileSender });
  await writeFile(join(server.assets, 'image'), Buffer.alloc(12 * MIB));
  await writeFile(join(server.assets, 'small'), 'small');
  for (const count of [1, 2]) {
    const told = nextAsset(server);
    const socket = await beginDownload(server, 'image');
    t.equal((await readRest(socket)).length, 0);
    t.match(await told, { outcome: 'failed', reasons: [/the thread that sent it ended: as the test wants/] });
    t.equal(crashed.length, count, 'another one was there for the next');
  }
  t.equal(server.journal.counters().get('http.aborted-asset'), 2);
  t.equal((await get(`${server.url}/assets/small`)).text, 'small');
});

t.test('a request whose turn comes after another one on its connection is handed over, too', async (t) => {
  const own = createFileSender({ threads: 1, crashed: (reason) => void t.fail(reason) });
  if (own === undefined) throw new Error('no C library');
  t.teardown(() => own.stop());
  let handedOver = 0;
  const fileSender: typeof own = {
    ...own,
    send(order) {
      handedOver++;
      return own.send(order);
    },
  };
  const server = await startTestServer(t, { cacheBytes: 64 * MIB, fileSender });
  await writeFile(join(server.assets, 'image'), Buffer.alloc(12 * MIB, 'a'));
  const socket = connect(server.port, '127.0.0.1');
  const head = 'GET /assets/image HTTP/1.1\r\nHost: t\r\nConnection: ';
  socket.write(`${head}keep-alive\r\n\r\n${head}close\r\n\r\n`);
  const rest = await readRest(socket);
  t.equal(rest.length - rest.indexOf('\r\n\r\n') - 4, 12 * MIB, 'both came whole');
  t.equal(handedOver, 2);

  const gone = connect(server.port, '127.0.0.1');
  gone.write(`${head}keep-alive\r\n\r\n${head}close\r\n\r\n`);
  await once(gone, 'readable');
  gone.destroy();
  for (let turn = 0; turn < 250 && server.journal.observations.length < 4; turn++)
    await new Promise((resolve) => setTimeout(resolve, 20));
  const heard = server.journal.observations.slice(2);
  t.strictSame(new Set(heard.map(({ outcome }) => outcome)), new Set(['failed']), 'nobody waits for it');
  t.equal(heard.length, 2);
});
