import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { PulledAsset } from '../../src/http/port.ts';
import { openPullThrough, type PullThroughOptions } from '../../src/images/pull-through.ts';
import { prunePulled, readPulled } from '../../src/images/pulled-store.ts';
import { createLoggers } from '../../src/logger.ts';
import { etagOf, type Misbehaviour, serve, startMirror } from '../support/start-mirror.ts';

const HURRY = { connect: 2000, headers: 2000, stall: 2000, pause: 10, size: 5000, comparison: 2000, no: 50 };

async function open(t: Test, from: string, more: Partial<PullThroughOptions> = {}) {
  const folder = more.folder ?? (await mkdtemp(join(tmpdir(), 'tb-pulled-')));
  const lines: string[] = [];
  const counted: string[] = [];
  const sink = { write: (line: string) => void lines.push(line) } as unknown as NodeJS.WritableStream;
  const through = await openPullThrough({
    from,
    maxBytes: 1e9,
    freshFor: 0,
    fetches: 2,
    isImmutable: ([, version]) => version === '42',
    count: (name) => counted.push(name),
    logger: createLoggers({ destination: sink }).http,
    now: Date.now,
    ...more,
    folder,
    times: { ...HURRY, ...more.times },
  });
  const find = (path: string, method = 'GET', via?: string) =>
    through.find({ segments: path.split('/'), method, via });
  const closed = { done: false };
  const close = async () => {
    if (!closed.done) await through[Symbol.asyncDispose]();
    closed.done = true;
  };
  t.teardown(async () => {
    await close();
    await rm(folder, { recursive: true, force: true });
  });
  return { through, find, folder, lines, counted, close };
}

/** All of it, as a client gets it. */
async function bytesOf(asset: PulledAsset): Promise<string> {
  if (asset.kind === 'held') return readFile(join(asset.folder, asset.name), 'utf8');
  if (asset.kind !== 'growing') return `${asset.kind}: ${'reason' in asset ? asset.reason : ''}`;
  const source = await asset.follow();
  let text = '';
  try {
    while (text.length < asset.size) {
      const chunk = await source.read(text.length, asset.size);
      if (chunk === undefined) return `broken after ${text.length}`;
      text += chunk.toString('latin1');
    }
  } finally {
    await source.close();
  }
  return text;
}

async function idle({ through }: { through: { state(): { fetching: number } } }): Promise<void> {
  while (through.state().fetching > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Sends `head` and so much of the body, and the rest when it is told to. */
function inTwoHalves(content: Buffer, half: number) {
  const gate = Promise.withResolvers<'rest' | 'cut'>();
  const misbehave: Misbehaviour = (_request, response) => {
    response.writeHead(200, { 'content-length': content.length, etag: etagOf(content) });
    response.write(content.subarray(0, half));
    void gate.promise.then((how) =>
      how === 'cut' ? response.destroy() : response.end(content.subarray(half)),
    );
  };
  return { misbehave, go: gate.resolve };
}

t.test(
  'however many ask for a file, it is fetched once, and they get its bytes while they come',
  async (t) => {
    const content = Buffer.from('x'.repeat(300_000));
    const mirror = await startMirror(t, { '/assets/a/kernel': content });
    const { misbehave, go } = inTwoHalves(content, 100_000);
    mirror.bad.set('/assets/a/kernel', misbehave);
    const kept = await open(t, mirror.url);
    const assets = await Promise.all(Array.from({ length: 50 }, () => kept.find('a/kernel')));
    t.ok(assets.every(({ kind }) => kind === 'growing'));
    const first = assets[0] as Extract<PulledAsset, { kind: 'growing' }>;
    t.equal(first.size, 300_000);
    const source = await first.follow();
    t.ok((await source.read(99_000, 300_000))?.length, 'the first half is there before the second');
    await source.close();
    const texts = assets.map((asset) => bytesOf(asset));
    go('rest');
    for (const text of await Promise.all(texts)) t.equal(text.length, 300_000);
    await idle(kept);
    t.same(mirror.asked, ['GET /assets/a/kernel']);
    const later = await kept.find('a/kernel');
    t.equal(later.kind, 'held');
    t.same(mirror.asked, ['GET /assets/a/kernel', 'HEAD /assets/a/kernel'], 'it is compared');
    t.match(kept.through.state(), {
      fetched: 1,
      joined: 49,
      held: 1,
      files: 1,
      bytes: 300_000,
      upstream: 'up',
    });
  },
);

t.test('a fetch that breaks off goes on where it was, with those who follow it', async (t) => {
  const content = Buffer.from('y'.repeat(200_000));
  const mirror = await startMirror(t, { '/assets/k': content });
  const { misbehave, go } = inTwoHalves(content, 50_000);
  let first = true;
  mirror.bad.set('/assets/k', (request, response) => {
    if (!first) return serve(content, request, response);
    first = false;
    misbehave(request, response);
  });
  const kept = await open(t, mirror.url);
  const text = bytesOf(await kept.find('k'));
  go('cut');
  t.equal((await text).length, 200_000);
  t.match(mirror.asked, ['GET /assets/k', /^GET \/assets\/k bytes=\d+-$/]);
});

t.test(
  'what changes while it is fetched breaks off for who had its beginning, and is whole for the next',
  async (t) => {
    const [old, fresh] = [Buffer.from('o'.repeat(200_000)), Buffer.from('n'.repeat(200_000))];
    const mirror = await startMirror(t, { '/assets/k': fresh });
    const { misbehave, go } = inTwoHalves(old, 150_000);
    let first = true;
    mirror.bad.set('/assets/k', (request, response) => {
      if (!first) return serve(fresh, request, response);
      first = false;
      misbehave(request, response);
    });
    const kept = await open(t, mirror.url);
    const follower = await kept.find('k');
    const source = await (follower as Extract<PulledAsset, { kind: 'growing' }>).follow();
    t.ok(await source.read(0, 200_000));
    go('cut');
    await idle(kept);
    t.equal(await source.read(100_000, 200_000), undefined, 'never the end of another version');
    await source.close();
    t.equal(await bytesOf(await kept.find('k')), fresh.toString());
  },
);

t.test('what fails leaves its beginning, and nobody takes that for a file', async (t) => {
  const content = Buffer.from('z'.repeat(100_000));
  const mirror = await startMirror(t, { '/assets/k': content });
  const { misbehave, go } = inTwoHalves(content, 60_000);
  let first = true;
  mirror.bad.set('/assets/k', (request, response) => {
    if (!first) return void response.destroy();
    first = false;
    misbehave(request, response);
  });
  const kept = await open(t, mirror.url);
  const text = bytesOf(await kept.find('k'));
  while (kept.through.state().fetchedBytes < 60_000) await new Promise((resolve) => setTimeout(resolve, 5));
  go('cut');
  t.match(await text, /^broken after/);
  await idle(kept);
  t.match(await kept.find('k'), { kind: 'refused', status: 504, reason: /the connection was lost/ });
  t.match(kept.through.state(), { upstream: 'down', files: 0, bytes: 60_000 });
  t.same((await readdir(kept.folder)).length, 2, 'the part, and of what it is');
  await kept.close();

  mirror.bad.clear();
  const again = await open(t, mirror.url, { folder: kept.folder });
  t.equal((await bytesOf(await again.find('k'))).length, 100_000);
  t.equal(mirror.asked.at(-1), 'GET /assets/k bytes=60000-', 'also after a restart');
});

t.test(
  'a newer file takes the place of what is held, which stays where the other server is away',
  async (t) => {
    const mirror = await startMirror(t, { '/assets/k': 'one', '/assets/i/42/k': 'image' });
    const kept = await open(t, mirror.url);
    t.equal(await bytesOf(await kept.find('k')), 'one');
    t.equal(await bytesOf(await kept.find('i/42/k')), 'image');
    await idle(kept);
    mirror.files.set('/assets/k', Buffer.from('two'));
    mirror.files.set('/assets/i/42/k', Buffer.from('other'));
    t.equal(await bytesOf(await kept.find('k')), 'two');
    await idle(kept);
    t.equal(await bytesOf(await kept.find('i/42/k')), 'image', 'a version is not asked for again');
    mirror.bad.set('/assets/k', (_request, response) => void response.writeHead(503).end());
    const stale = await kept.find('k');
    t.equal(await bytesOf(stale), 'two');
    t.match(stale, { reason: /whether there is a newer one cannot be asked/ });
    t.match(kept.through.state(), { upstream: 'down', unchecked: 1 });
    mirror.bad.clear();
    mirror.files.delete('/assets/k');
    t.match(await kept.find('k'), { kind: 'refused', status: 404 }, 'what is gone there is gone here');
    t.same(
      (await readPulled(kept.folder)).map(({ path }) => path),
      ['/assets/i/42/k'],
    );
  },
);

t.test('within freshFor nothing is asked, and after a restart what is held is known', async (t) => {
  const mirror = await startMirror(t, { '/assets/k': 'one' });
  const kept = await open(t, mirror.url, { freshFor: 3_600_000 });
  await bytesOf(await kept.find('k'));
  await idle(kept);
  await kept.find('k');
  t.equal(mirror.asked.length, 1);
  await kept.close();
  const again = await open(t, mirror.url, { folder: kept.folder, freshFor: 3_600_000 });
  t.match(await again.find('k'), { kind: 'held' });
  t.same(mirror.asked, ['GET /assets/k', 'HEAD /assets/k']);
});

t.test(
  'the file that was not asked for the longest goes first, and none that is larger than all',
  async (t) => {
    const file = 'f'.repeat(400);
    const mirror = await startMirror(
      t,
      Object.fromEntries(['a', 'b', 'c'].map((name) => [`/assets/${name}`, file])),
    );
    mirror.files.set('/assets/huge', Buffer.from('h'.repeat(1001)));
    const kept = await open(t, mirror.url, { maxBytes: 1000, freshFor: 60_000 });
    for (const name of ['a', 'b', 'a', 'c']) {
      await bytesOf(await kept.find(name));
      await idle(kept);
    }
    const names = async () => (await readPulled(kept.folder)).map(({ path }) => path).toSorted();
    t.same(await names(), ['/assets/a', '/assets/c']);
    t.match(await kept.find('huge'), { kind: 'refused', status: 507, reason: /maxBytes is 1000/ });
    t.same(await names(), ['/assets/a', '/assets/c'], 'for nothing');
    t.same(await prunePulled(kept.folder, true), { files: 2, bytes: 800 });
    t.same(await prunePulled(kept.folder, false), { files: 2, bytes: 800 });
    t.equal(await bytesOf(await kept.find('a')), file, 'what was removed is fetched anew');
  },
);

const NOES: readonly (readonly [string, Misbehaviour, number, RegExp])[] = [
  ['none there', (_, response) => void response.writeHead(404).end(), 404, /neither here nor at/],
  ['forbidden', (_, response) => void response.writeHead(403).end(), 502, /answered with 403/],
  [
    'another host',
    (_, response) => void response.writeHead(302, { location: 'http://example.org/x' }).end(),
    502,
    /redirects to another host/,
  ],
  [
    'packed',
    (_, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
    502,
    /comes packed/,
  ],
  ['in trouble', (_, response) => void response.writeHead(500).end(), 504, /answered with 500/],
  ['silent', () => undefined, 504, /no answer|does not answer|stopped/],
];
for (const [what, misbehave, status, reason] of NOES) {
  t.test(`refused with ${status}: ${what}`, async (t) => {
    const mirror = await startMirror(t);
    mirror.bad.set('/assets/k', misbehave);
    const kept = await open(t, mirror.url, { tries: 2, times: { headers: 50, stall: 50, pause: 1 } });
    const found = await kept.find('k');
    t.match(found, { kind: 'refused', status, reason });
    await idle(kept);
    const asked = mirror.asked.length;
    t.match(await kept.find('k'), { kind: 'refused', status });
    t.equal(mirror.asked.length, asked, 'not asked again at once');
    t.same(await readPulled(kept.folder), []);
    t.same(kept.counted.at(-1), `pull-through.refused.${status}`);
  });
}

t.test('a server that sends a byte now and then is given up', async (t) => {
  const mirror = await startMirror(t);
  mirror.bad.set('/assets/k', (_request, response) => {
    response.writeHead(200, { 'content-length': 1000 });
    const timer = setInterval(() => response.write('x'), 10);
    response.on('close', () => clearInterval(timer));
  });
  const kept = await open(t, mirror.url, { times: { trickle: 200 } });
  t.match(await bytesOf(await kept.find('k')), /^broken after/);
  await idle(kept);
  t.match(await kept.find('k'), { status: 504, reason: /next to nothing/ });
});

t.test('where the size takes too long its client is told to come back', async (t) => {
  const mirror = await startMirror(t);
  const gate = Promise.withResolvers<void>();
  mirror.bad.set('/assets/k', (_request, response) => {
    response.writeHead(200);
    response.write('beginning');
    void gate.promise.then(() => response.end(' and end'));
  });
  const kept = await open(t, mirror.url, { times: { size: 20 } });
  t.match(await kept.find('k'), { kind: 'refused', status: 503, retryAfter: 2 });
  gate.resolve();
  await idle(kept);
  t.equal(
    await bytesOf(await kept.find('k')),
    'beginning and end',
    'without a length it is whole when it ends',
  );
});

t.test('more than are fetched at one time wait, and beyond a bound are told to come back', async (t) => {
  const mirror = await startMirror(t);
  const gate = Promise.withResolvers<void>();
  const under = new Set<string>();
  let most = 0;
  for (let index = 0; index < 80; index++) {
    mirror.bad.set(`/assets/${index}`, (request, response) => {
      under.add(request.url ?? '');
      most = Math.max(most, under.size);
      void gate.promise.then(() => {
        under.delete(request.url ?? '');
        return response.writeHead(200, { 'content-length': 1 }).end('x');
      });
    });
  }
  const kept = await open(t, mirror.url, { times: { size: 30_000 } });
  const all = Array.from({ length: 80 }, (_, index) => kept.find(`${index}`));
  const refused = (await Promise.all(all.slice(66))).filter(({ kind }) => kind === 'refused');
  t.equal(refused.length, 14);
  t.match(refused[0], { status: 503, retryAfter: 5 });
  while (under.size < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  gate.resolve();
  const texts = await Promise.all(all.slice(0, 66).map(async (found) => bytesOf(await found)));
  t.ok(texts.every((text) => text === 'x'));
  t.equal(most, 2);
});

t.test('HEAD is answered without a fetch', async (t) => {
  const mirror = await startMirror(t, { '/assets/k': 'twelve bytes' });
  const kept = await open(t, mirror.url);
  t.match(await kept.find('k', 'HEAD'), {
    kind: 'described',
    size: 12,
    etag: etagOf(Buffer.from('twelve bytes')),
  });
  t.match(await kept.find('none', 'HEAD'), { kind: 'refused', status: 404 });
  t.same(mirror.asked, ['HEAD /assets/k', 'HEAD /assets/none']);
  await Promise.all(Array.from({ length: 20 }, () => kept.find('k', 'HEAD')));
  t.equal(mirror.asked.length, 3, 'those who ask together ask once');
});

t.test('servers that fetch from each other in a ring say so', async (t) => {
  const mirror = await startMirror(t);
  const vias: string[] = [];
  mirror.bad.set('/assets/k', (request, response) => {
    vias.push(request.headers.via ?? '');
    response.writeHead(404).end();
  });
  const kept = await open(t, mirror.url);
  await kept.find('k', 'GET', '1.1 squid, 1.1 tinderbox-other');
  t.match(vias, [/^1\.1 tinderbox-other, 1\.1 tinderbox-[0-9a-f-]{36}$/]);
  t.match(await kept.find('x', 'GET', vias[0]), { status: 508, reason: /in a ring/ });
  const far = Array.from({ length: 4 }, (_, index) => `1.1 tinderbox-${index}`).join(', ');
  t.match(await kept.find('x', 'GET', far), { status: 508 });
});

t.test('what ends with its connection may be a part, and is not kept', async (t) => {
  const mirror = await startMirror(t);
  mirror.bad.set('/assets/k', (_request, response) => {
    // As HTTP/1.0 has it.
    response.socket?.end('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf a ker');
  });
  const kept = await open(t, mirror.url);
  t.match(await kept.find('k'), { kind: 'refused', status: 502, reason: /without its length/ });
  await idle(kept);
  t.match(kept.through.state(), { files: 0, bytes: 0 });
});

t.test('whoever makes hops up spoils nothing for others', async (t) => {
  const content = Buffer.from('kernel');
  const mirror = await startMirror(t, { '/assets/k': content });
  const gate = Promise.withResolvers<void>();
  const vias: string[] = [];
  // As another Tinderbox that fetches from elsewhere.
  mirror.bad.set('/assets/k', (request, response) => {
    const hops = (request.headers.via ?? '').split(',').length;
    vias.push(request.headers.via ?? '');
    if (hops < 4) return serve(content, request, response);
    void gate.promise.then(() => response.writeHead(508).end());
  });
  const kept = await open(t, mirror.url, { times: { no: 60_000 } });
  const odd = 'tinderbox-\u00e9, 1.1 tinderbox-0 \u00e9, 1.1 ';
  const madeUp = kept.find('k', 'GET', `${odd}tinderbox-1, 1.1 tinderbox-2, 1.1 tinderbox-3`);
  const beside = kept.find('k');
  while (vias.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.match(vias, [/^1\.1 tinderbox-1, 1\.1 tinderbox-2, 1\.1 tinderbox-3, 1\.1 tinderbox-[0-9a-f-]{36}$/]);
  gate.resolve();
  t.match(await madeUp, { kind: 'refused', status: 502 });
  t.equal(await bytesOf(await beside), 'kernel', 'who waited for the same fetch asks by itself');
  t.equal(vias.length, 2, 'a ring is asked once');
  t.not(kept.through.state().upstream, 'down');
});

t.test('what a crash leaves in the folder is removed, and what is damaged is no file', async (t) => {
  const mirror = await startMirror(t, { '/assets/k': 'one' });
  const kept = await open(t, mirror.url);
  await bytesOf(await kept.find('k'));
  await idle(kept);
  await kept.close();
  const [held] = await readPulled(kept.folder);
  const other = 'a'.repeat(40);
  await writeFile(join(kept.folder, other), 'bytes without a description');
  await writeFile(
    join(kept.folder, `${'b'.repeat(40)}.json`),
    JSON.stringify({ path: '/assets/../../etc', size: 1 }),
  );
  await writeFile(join(kept.folder, `${'c'.repeat(40)}.json.new`), '{');
  await writeFile(join(kept.folder, `${'d'.repeat(40)}.part`), 'of what?');
  const again = await open(t, mirror.url, { folder: kept.folder });
  t.same((await readdir(kept.folder)).toSorted(), [held?.name ?? '', `${held?.name}.json`]);
  await again.close();
  await writeFile(join(kept.folder, held?.name ?? ''), 'on');
  const third = await open(t, mirror.url, { folder: kept.folder });
  t.equal(third.through.state().files, 0);
  t.equal(await bytesOf(await third.find('k')), 'one');
});
