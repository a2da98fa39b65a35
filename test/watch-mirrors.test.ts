import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { AssetMirror } from '../src/boot/choose-mirrors.ts';
import { createLoggers } from '../src/logger.ts';
import { watchMirrors } from '../src/watch-mirrors.ts';
import { ip } from './support/make-environment.ts';

const KERNEL = '/assets/fcos/42/kernel';

interface FakeMirror {
  readonly url: string;
  readonly asked: string[];
  /** By path; 200 with so many bytes. Else 404. */
  files: Record<string, number>;
  status?: number;
  close(): Promise<void>;
  open(): Promise<void>;
}

async function startMirror(t: Test): Promise<FakeMirror> {
  let server: Server | undefined;
  let port = 0;
  const mirror = {
    asked: [] as string[],
    files: { [KERNEL]: 6 } as Record<string, number>,
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    async open() {
      server = createServer((request, response) => {
        mirror.asked.push(`${request.method} ${request.url}`);
        const size = mirror.files[request.url ?? ''];
        response.writeHead(mirror.status ?? (size === undefined ? 404 : 200), {
          'content-length': size ?? 0,
        });
        response.end();
      });
      await new Promise<void>((resolve) => server?.listen(port, '127.0.0.1', resolve));
      port = (server.address() as AddressInfo).port;
    },
    async close() {
      server?.closeAllConnections();
      await new Promise((resolve) => server?.close(resolve));
    },
  } as FakeMirror;
  await mirror.open();
  t.teardown(() => mirror.close());
  return mirror;
}

async function watch(t: Test, mirrors: readonly AssetMirror[]) {
  const assets = await mkdtemp(join(tmpdir(), 'tb-mirrors-'));
  await mkdir(join(assets, 'fcos/42'), { recursive: true });
  await writeFile(join(assets, 'fcos/42/kernel'), 'kernel');
  const lines: string[] = [];
  const counted: string[] = [];
  const sink = { write: (line: string) => void lines.push(line) } as unknown as NodeJS.WritableStream;
  let now = 1_700_000_000_000;
  const watched = watchMirrors({
    mirrors,
    assets,
    count: (name) => counted.push(name),
    logger: createLoggers({ destination: sink }).http,
    now: () => now++,
  });
  t.teardown(async () => {
    await watched[Symbol.asyncDispose]();
    await rm(assets, { recursive: true });
  });
  return { watched, lines, counted, assets };
}

t.test(
  'a mirror that is stopped is left out after a second miss, and used again when it is back',
  async (t) => {
    const fake = await startMirror(t);
    const mirror: AssetMirror = { url: fake.url, relay: ip('10.78.0.1') };
    const { watched, lines, counted } = await watch(t, [mirror]);
    t.equal(watched.troubleOf(mirror), undefined, 'one that is not known yet is used');
    await watched.look();
    t.match(watched.states(), [{ state: 'up', place: 'relay 10.78.0.1', lacks: [] }]);
    t.same(fake.asked, ['HEAD /healthz'], 'a mirror without one answers 404, and that is an answer');

    await fake.close();
    await watched.look();
    t.equal(watched.troubleOf(mirror), undefined, 'one miss is an accident');
    await watched.look();
    t.match(watched.troubleOf(mirror), /^it does not answer since 2023-.*refuses the connection/);
    t.match(watched.states(), [{ state: 'down', reason: /refuses/ }]);
    await watched.look();
    t.same(counted, ['mirrors.down'], 'said once');

    await fake.open();
    await watched.look();
    t.equal(watched.troubleOf(mirror), undefined);
    t.equal(lines.length, 2);
    t.match(lines.join(''), /does not answer: its machines fetch from here.*is back/s);
  },
);

t.test(
  'a mirror that lacks a file, or has another one of its name, is not used by who needs it',
  async (t) => {
    const fake = await startMirror(t);
    const mirror: AssetMirror = { url: fake.url, relay: ip('10.78.0.1') };
    const { watched, lines } = await watch(t, [mirror]);
    const initrd = '/assets/fcos/42/initrd';
    t.equal(watched.troubleOf(mirror, [KERNEL, initrd]), undefined, 'at first its script falls back');
    await watched.look();
    t.match(watched.troubleOf(mirror, [KERNEL, initrd]), /^it answers 404 for \/assets\/fcos\/42\/initrd$/);
    t.equal(watched.troubleOf(mirror, [KERNEL]), undefined, 'who does not need it is sent there');
    t.match(watched.states(), [{ state: 'up', lacks: [/404/] }]);

    fake.files = { [KERNEL]: 5, [initrd]: 9 };
    await watched.look();
    await watched.look();
    t.match(watched.troubleOf(mirror, [KERNEL]), /^its .*kernel has 5 bytes, and ours 6$/);
    t.equal(watched.troubleOf(mirror, [initrd]), undefined, 'what is not here cannot be compared');
    fake.files = { [KERNEL]: 6, [initrd]: 9 };
    await watched.look();
    t.equal(watched.troubleOf(mirror, [KERNEL, initrd]), undefined, 'it has caught up');
    t.equal(lines.length, 2, 'each said once');
  },
);

t.test('one that answers 500 is down, and one of two places is one each', async (t) => {
  const fake = await startMirror(t);
  const places = [
    { url: fake.url, relay: ip('10.78.0.1') },
    { url: fake.url, relay: ip('10.79.0.1') },
  ];
  const { watched } = await watch(t, places);
  fake.status = 503;
  await watched.look();
  await watched.look();
  t.match(watched.states(), [{ state: 'down', reason: /503/ }, { state: 'down' }]);
});

t.test('what is remembered of a mirror is bounded', async (t) => {
  const fake = await startMirror(t);
  const mirror: AssetMirror = { url: fake.url, relay: ip('10.78.0.1') };
  const { watched } = await watch(t, [mirror]);
  for (let index = 0; index < 1000; index++) watched.troubleOf(mirror, [`/assets/x${index}`]);
  await watched.look();
  t.ok(fake.asked.length <= 64, `${fake.asked.length}`);
});

t.test(
  'it looks by itself once it is started, and soon where somebody came back from a mirror',
  async (t) => {
    const fake = await startMirror(t);
    const mirror: AssetMirror = { url: fake.url, relay: ip('10.78.0.1') };
    const { watched } = await watch(t, [mirror]);
    const asked = async (count: number) => {
      while (fake.asked.length < count) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    watched.start();
    await asked(1);
    watched.doubt(mirror.url);
    await asked(2);
    t.match(watched.states(), [{ state: 'up' }]);
  },
);
