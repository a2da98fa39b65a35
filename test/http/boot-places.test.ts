import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { SILENT_TIME } from '../../src/boot/boot-queue.ts';
import { createBootPlaces } from '../../src/http/boot-places.ts';
import type { HttpServerOptions } from '../../src/http/port.ts';
import { readText } from '../../src/machine/event.ts';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { Role } from '../../src/machine/role.ts';
import { until } from '../support/until.ts';
import { bootPlan, startTestServer, testRole } from './start-test-server.ts';

const A = '52:54:00:00:00:0a' as Mac;
const B = '52:54:00:00:00:0b' as Mac;
const C = '52:54:00:00:00:0c' as Mac;
const LARGE = 4 * 1024 * 1024;
const LIMIT = 100_000;

/** One place; /assets/initrd is large, /assets/vmlinuz small. */
async function startQueue(t: Test, overrides: Omit<Partial<HttpServerOptions>, 'journal'> = {}) {
  let now = 0;
  const waited: number[] = [];
  const queue = createBootPlaces({
    places: 1,
    largerThan: LIMIT,
    uptime: () => now,
    admitted: (ms) => void waited.push(ms),
  });
  const site = await startTestServer(t, {
    queue,
    assetPaths: () => ['/assets/vmlinuz', '/assets/initrd'],
    ...overrides,
  });
  await writeFile(join(site.assets, 'vmlinuz'), 'kernel');
  await writeFile(join(site.assets, 'initrd'), Buffer.alloc(LARGE, 'i'));
  await writeFile(join(site.assets, 'other'), Buffer.alloc(LARGE, 'o'));
  const script = async (mac: Mac, more = ''): Promise<string> =>
    (await fetch(`${site.url}/ipxe?mac=${mac}${more}`)).text();
  const running = (): number => queue.view(9).holders.reduce((sum, { downloads }) => sum + downloads, 0);
  const download = async (name: string, headers: Record<string, string> = {}) => {
    const before = running();
    const response = await fetch(`${site.url}/assets/${name}`, { headers });
    const bytes = (await response.arrayBuffer()).byteLength;
    // The client has the last byte before the server knows.
    await until(() => running() <= before);
    return { status: response.status, bytes, retryAfter: response.headers.get('retry-after') };
  };
  return {
    ...site,
    queue,
    waited,
    script,
    download,
    pass: (ms: number) => void (now += ms),
    sayings: () => site.journal.observations.map(({ kind, answered }) => `${kind}: ${readText(answered)}`),
  };
}

/** Asks and leaves the answer unread, so that the server stands in the middle of it. */
async function beginDownload(port: number, name: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`GET /assets/${name} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n`);
  await once(socket, 'readable');
  return socket;
}

t.test('a machine gets its script when it has its turn, and waits on its screen until then', async (t) => {
  const site = await startQueue(t);
  t.match(await site.script(A), /worker node-1/);
  t.match(await site.script(B), /^#!ipxe\nwait 1st in the queue\n/);
  t.match(await site.script(C), /^#!ipxe\nwait 2nd in the queue\n/);
  t.equal(site.queue.positionOf(C), 2);
  t.equal((await site.download('vmlinuz')).status, 200);
  t.match(await site.script(B), /^#!ipxe\nwait/, 'the kernel is not all');
  site.pass(20_000);
  t.match(await site.script(A), /worker/, 'it asks for its script again, and has its place');
  t.match(await site.script(B), /wait/);
  await site.download('vmlinuz');
  t.match(await site.download('initrd'), { status: 200, bytes: LARGE });
  site.pass(1_000);
  t.match(await site.script(C), /^#!ipxe\nwait 2nd in the queue, /, 'it is not the oldest');
  t.match(await site.script(B), /worker/);
  t.strictSame(site.waited.slice(-1), [21_000]);
});

t.test('what is not here yet counts as large as the other server says', async (t) => {
  const asked: string[] = [];
  const site = await startQueue(t, {
    assetPaths: () => ['/assets/elsewhere', '/assets/nowhere'],
    pullThrough: {
      async find({ segments, method }) {
        asked.push(`${method} ${segments.join('/')}`);
        return segments[0] === 'nowhere'
          ? { kind: 'refused', status: 404, reason: 'none' }
          : { kind: 'described', size: LARGE, etag: '"e"', lastModified: 0, reason: 'as it says' };
      },
    },
  });
  t.match(await site.script(A), /worker/);
  t.match(await site.script(B), /^#!ipxe\nwait 1st in the queue\n/);
  t.ok(asked.includes('HEAD elsewhere'));
  t.equal(asked.filter((each) => each === 'HEAD elsewhere').length, 1);
});

t.test('waiting is one event and no stage, until the machine is much nearer', async (t) => {
  const site = await startQueue(t);
  for (const mac of [A, B, C, B, C, B, C]) await site.script(mac);
  const waits = site.journal.observations.filter(({ queued }) => queued === true);
  t.match(waits, [
    { mac: B, outcome: 'noted', answered: 'waits for its turn, 1st of 1' },
    { mac: C, outcome: 'noted', answered: 'waits for its turn, 2nd of 2' },
  ]);
  t.match(waits[0]?.reasons, ['1 machines load at once (http.queue.downloads); the oldest is the next']);
  const session = site.journal.sessionOf(B);
  t.match(session, { stage: 'discovered' });
  t.equal(session?.waitingSince, undefined, 'nobody has to approve it');
  t.equal(session?.role, undefined);
});

t.test('a boot by a `once:` is not tried by waiting', async (t) => {
  const tried: string[] = [];
  const site = await startQueue(t, {
    plan: ({ mac }) => ({ ...bootPlan(), once: `once-${mac}` }) as never,
    once: {
      arrives: () => undefined,
      tries: (role) => void tried.push(role),
      succeeds: () => false,
      written: async () => undefined,
    },
  });
  for (const mac of [A, B, B, B]) await site.script(mac);
  t.strictSame(tried, [`once-${A}`]);
});

t.test('what was chosen from a menu is asked for again', async (t) => {
  const asked: unknown[] = [];
  const site = await startQueue(t, {
    renderer: {
      bootstrapScript: () => '',
      machineScript: () => 'boot',
      waitScript: (input) => {
        asked.push(input);
        return 'wait';
      },
      refusalScript: () => '',
      renderConfig: () => ({ body: '', contentType: '' }),
    },
    assetPaths: () => ['/assets/initrd'],
  });
  await site.script(A);
  await site.script(B, '&choice=worker');
  t.match(asked, [{ choice: 'worker', isBrief: true }]);
});

t.test('a boot without a large file of ours waits for nobody', async (t) => {
  for (const paths of [undefined, [], ['/assets/vmlinuz'], ['/assets/none']]) {
    const site = await startQueue(t, { assetPaths: () => paths });
    for (const mac of [A, B, C]) t.match(await site.script(mac), /worker/);
    t.match(site.queue.view(9).counts, { holding: 0, waiting: 0 });
  }
});

t.test('a machine that has to boot something small, or nothing, by now leaves the queue', async (t) => {
  let role: Role | undefined = testRole();
  const site = await startQueue(t, {
    plan: () => (role === undefined ? { kind: 'wait', message: 'no', reasons: [] } : bootPlan(role)),
  });
  for (const mac of [A, B, C]) await site.script(mac);
  role = undefined;
  t.match(await site.script(B), /wait no/);
  t.equal(site.queue.positionOf(B), undefined);
  t.equal(site.queue.positionOf(C), 1);
});

t.test('a download without a place is told to come back, and small ones are not', async (t) => {
  const site = await startQueue(t);
  await site.script(A);
  const socket = await beginDownload(site.port, 'initrd');
  t.teardown(() => socket.destroy());
  // Behind the same address nobody tells them apart: it is A's place.
  t.match(await site.download('other'), { status: 200 });
  site.queue.leave(A);
  site.journal.sessions.clear();
  await site.script(B);
  site.queue.leave(B);
  site.journal.sessions.clear();
  t.match(site.queue.askForBoot({ mac: C, address: undefined, paths: ['/assets/initrd'] }), { kind: 'go' });
  const later = await site.download('other');
  t.match(later, { status: 503, retryAfter: /^\d+$/ });
  t.match(await site.download('other', { range: 'bytes=0-99' }), { status: 206, bytes: 100 });
  t.match(await site.download('vmlinuz'), { status: 200 });
  t.match(
    site.sayings().filter((text) => text.includes('503')),
    ['http.asset: 503: waits for its turn, 1st of 1'],
  );
  site.pass(SILENT_TIME);
  t.match(await site.download('other'), { status: 200, bytes: LARGE }, 'the place was not used');
  t.match(site.queue.view(9).counts, { holding: 0, waiting: 0 }, 'and is given back at once');
});

t.test('a system whose boot is under way is never stopped halfway', async (t) => {
  const site = await startQueue(t);
  await site.script(A);
  await site.download('vmlinuz');
  await site.download('initrd');
  await site.script(B);
  t.equal(site.queue.view(9).holders[0]?.mac, B);
  // A's system fetches its root file system, which the script does not name. Whose address it is was learned anew.
  site.journal.learnAddress(0x7f000001 as Ipv4, A);
  site.queue.leave(B);
  t.match(site.queue.askForBoot({ mac: C, address: undefined, paths: ['/assets/initrd'] }), { kind: 'go' });
  t.match(await site.download('other'), { status: 200, bytes: LARGE });
  t.equal(site.queue.view(9).counts.holding, 1);
});

t.test('a download that breaks off keeps its place for a while only', async (t) => {
  const site = await startQueue(t);
  await site.script(A);
  const socket = await beginDownload(site.port, 'initrd');
  t.match(site.queue.view(9).holders, [{ mac: A, downloads: 1 }]);
  site.pass(SILENT_TIME * 10);
  t.match(await site.script(B), /wait/, 'it takes as long as it takes');
  const over = new Promise<void>((resolve) => {
    site.journal.subscribe(({ kind }) => kind === 'http.asset' && resolve());
  });
  socket.destroy();
  await over;
  await until(() => site.queue.view(9).holders[0]?.downloads === 0);
  t.match(site.queue.view(9).holders, [{ mac: A, downloads: 0 }]);
  t.match(await site.script(B), /wait/);
  site.pass(SILENT_TIME);
  t.match(await site.script(B), /worker/);
});

t.test('what comes by TFTP counts for a machine that has a place', (t) => {
  let now = 0;
  const queue = createBootPlaces({ places: 1, largerThan: 0, uptime: () => now });
  const paths = ['/assets/vmlinuz'];
  queue.learn('/assets/vmlinuz', LARGE);
  queue.askForBoot({ mac: A, address: undefined, paths });
  const told = { at: 0, answered: '', reasons: [], mac: A, outcome: 'answered' } as const;
  queue.notice({ ...told, kind: 'tftp.read', asked: 'RRQ assets/vmlinuz (octet, blksize 1432)' });
  now = SILENT_TIME * 10;
  t.match(queue.askForBoot({ mac: B, address: undefined, paths }), { kind: 'wait' });
  queue.notice({ ...told, kind: 'tftp.done', asked: 'RRQ assets/vmlinuz' });
  t.match(queue.askForBoot({ mac: B, address: undefined, paths }), { kind: 'go' });
  t.end();
});
