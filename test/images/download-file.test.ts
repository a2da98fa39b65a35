import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { createSpaceBudget } from '../../src/images/disk-space.ts';
import { type Downloaded, downloadFile } from '../../src/images/download-file.ts';
import { openHttp } from '../../src/images/http-get.ts';
import { etagOf, type Misbehaviour, serve, startMirror } from '../support/start-mirror.ts';
import { contentOf } from '../support/test-vendor.ts';

const CONTENT = contentOf('image', 3_000_000);
const folder = t.testdir({});

const mirror = await startMirror(t, { '/image': CONTENT });
const redirects: string[] = [];
const http = await openHttp({
  times: { connect: 2_000, headers: 400, stall: 400 },
  onRedirect: (_from, to) => redirects.push(to),
});
t.teardown(() => http[Symbol.asyncDispose]());

let count = 0;
async function download(
  options: {
    readonly path?: string;
    readonly size?: number;
    readonly file?: string;
    readonly tries?: number;
  } = {},
): Promise<{ readonly file: string; readonly got: Downloaded }> {
  const { path = '/image', file = join(folder, `file-${++count}`), ...rest } = options;
  const got = await downloadFile(`${mirror.url}${path}`, file, {
    http,
    space: createSpaceBudget(folder),
    name: 'image',
    tries: 3,
    pause: 1,
    ...rest,
  });
  return { file, got };
}

/** The first so many times; then as it should be. */
function first(times: number, bad: Misbehaviour): Misbehaviour {
  let left = times;
  return (request, response) => {
    if (left-- > 0) return bad(request, response);
    serve(mirror.files.get(request.url ?? ''), request, response);
  };
}

const cutAfter =
  (bytes: number): Misbehaviour =>
  (request: IncomingMessage, response: ServerResponse) => {
    const content = mirror.files.get(request.url ?? '') ?? Buffer.alloc(0);
    const [, start = '0'] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
    const from = Number(start);
    response.writeHead(from > 0 ? 206 : 200, {
      etag: '"cut"',
      'content-length': content.length - from,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
    });
    response.write(content.subarray(from, from + bytes), () => response.destroy());
  };

t.test('a file comes whole, with its digests, and without a trace of the part', async (t) => {
  const { file, got } = await download({ size: CONTENT.length });
  t.ok(readFileSync(file).equals(CONTENT));
  t.equal(got.resumed, false);
  t.match(got.sha512, /^[0-9a-f]{128}$/);
  t.notOk(existsSync(`${file}.part`));
  t.notOk(existsSync(`${file}.part.json`));
});

t.test('what is transient is tried again, from where it ended', async (t) => {
  const rows: [string, Misbehaviour, string[]][] = [
    [
      '503',
      first(2, (_request, response) => void response.writeHead(503).end()),
      ['GET /x', 'GET /x', 'GET /x'],
    ],
    ['reset', first(1, (request) => void request.socket.destroy()), ['GET /x', 'GET /x']],
    ['no answer', first(1, () => undefined), ['GET /x', 'GET /x']],
  ];
  for (const [name, bad, asked] of rows) {
    mirror.files.set('/x', CONTENT);
    mirror.bad.set('/x', bad);
    mirror.asked.length = 0;
    const { file } = await download({ path: '/x' });
    t.ok(readFileSync(file).equals(CONTENT), name);
    t.same(mirror.asked, asked, name);
  }
  let cuts = 2;
  mirror.bad.set('/x', (request, response) => {
    if (cuts-- > 0) return cutAfter(700_000)(request, response);
    const [, start = '0'] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
    t.equal(request.headers['if-range'], '"cut"');
    const rest = CONTENT.subarray(Number(start));
    const range = `bytes ${start}-${CONTENT.length - 1}/${CONTENT.length}`;
    response
      .writeHead(206, { etag: '"cut"', 'content-range': range, 'content-length': rest.length })
      .end(rest);
  });
  const { file, got } = await download({ path: '/x' });
  t.ok(readFileSync(file).equals(CONTENT));
  t.equal(got.resumed, true);
  mirror.bad.delete('/x');
});

t.test('what a run that was killed left is gone on with, if it is still the same file', async (t) => {
  mirror.files.set('/y', CONTENT);
  mirror.bad.set('/y', (request, response) => {
    response.writeHead(200, { etag: etagOf(CONTENT), 'content-length': CONTENT.length });
    response.write(CONTENT.subarray(0, 1_000_000), () => request.socket.destroy());
  });
  const file = join(folder, 'killed');
  await t.rejects(download({ path: '/y', file, tries: 1 }), { code: 'unavailable', message: /lost/ });
  t.notOk(existsSync(file), 'it is not usable');
  t.ok(existsSync(`${file}.part`));
  mirror.bad.delete('/y');
  mirror.asked.length = 0;
  const { got } = await download({ path: '/y', file });
  t.ok(readFileSync(file).equals(CONTENT));
  t.equal(got.resumed, true);
  t.match(mirror.asked, [/^GET \/y bytes=\d+-$/]);
});

const to =
  (location: string): Misbehaviour =>
  (_request, response) =>
    void response.writeHead(302, { location }).end();

t.test('a part outlives a mirror that refuses for now, or sends elsewhere', async (t) => {
  const rows: [string, Misbehaviour][] = [
    ['403', (_request, response) => void response.writeHead(403).end()],
    ['a portal', to('ftp://portal.example/')],
    ['no HTTP', (request) => void request.socket.end('SSH-2.0-OpenSSH\r\n\r\n')],
  ];
  for (const [name, bad] of rows) {
    const file = join(folder, `portal-${++count}`);
    mirror.files.set('/p', CONTENT);
    mirror.bad.set('/p', cutAfter(1_500_000));
    await t.rejects(download({ path: '/p', file, tries: 1 }), { code: 'unavailable' }, name);
    mirror.bad.set('/p', bad);
    const part = readFileSync(`${file}.part`);
    t.ok(part.length > 0, name);
    await t.rejects(download({ path: '/p', file, tries: 1 }), { code: 'refused' }, name);
    t.ok(readFileSync(`${file}.part`).equals(part), name);
    t.ok(existsSync(`${file}.part.json`), name);
  }
});

t.test('a part of a file that has changed is thrown away', async (t) => {
  const other = contentOf('other', 2_000_000);
  const refuses: Misbehaviour = (request, response) => {
    if (request.headers.range === undefined) return serve(other, request, response);
    response.writeHead(416, { 'content-range': `bytes */${other.length}` }).end();
  };
  const changesInTheMiddle: Misbehaviour = (request, response) => {
    if (request.headers.range === undefined) return serve(other, request, response);
    response
      .writeHead(206, { 'content-range': `bytes 5-9/${other.length}`, 'content-length': 5 })
      .end('lying');
  };
  const rows: [string, Misbehaviour | undefined][] = [
    ['If-Range: another entity tag', undefined],
    ['416 Range Not Satisfiable', refuses],
    ['206 of another range', changesInTheMiddle],
  ];
  for (const [name, bad] of rows) {
    const file = join(folder, `changed-${++count}`);
    mirror.files.set('/z', CONTENT);
    mirror.bad.set('/z', cutAfter(1_500_000));
    await t.rejects(download({ path: '/z', file, tries: 1 }), { code: 'unavailable' }, name);
    t.ok(readFileSync(`${file}.part`).length > 0, `${name}: there is a part to be thrown away`);
    mirror.files.set('/z', other);
    if (bad === undefined) mirror.bad.delete('/z');
    else mirror.bad.set('/z', bad);
    await download({ path: '/z', file });
    t.ok(readFileSync(file).equals(other), name);
  }
});

const endless: Misbehaviour = (_request, response) => {
  response.writeHead(200);
  const more = (): void => {
    while (!response.destroyed && response.write(CONTENT.subarray(0, 65_536)));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
};

t.test('a mirror that lies about sizes, or never ends, is refused, and nothing of it is kept', async (t) => {
  const rows: [string, Misbehaviour, { size?: number }, { code: string; message: RegExp }][] = [
    [
      'longer than the list says',
      (request, response) => serve(CONTENT, request, response),
      { size: 10 },
      { code: 'refused', message: /3000000 bytes/ },
    ],
    [
      'shorter than the list says',
      (request, response) => serve(CONTENT, request, response),
      { size: 9_000_000 },
      { code: 'refused', message: /and the list says 9000000/ },
    ],
    [
      'without an end',
      endless,
      { size: 200_000 },
      { code: 'refused', message: /sends more than the 200000 bytes/ },
    ],
    [
      'larger than any disk',
      (_request, response) => response.writeHead(200, { 'content-length': '99999999999999' }).flushHeaders(),
      {},
      { code: 'refused', message: /at most/ },
    ],
    [
      'packed',
      (_request, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
      {},
      { code: 'refused', message: /packed \(gzip\)/ },
    ],
    [
      '404',
      (_request, response) => void response.writeHead(404).end(),
      {},
      { code: 'not-found', message: /\(404\)/ },
    ],
    [
      '403',
      (_request, response) => void response.writeHead(403).end(),
      {},
      { code: 'refused', message: /403/ },
    ],
    [
      'always 500',
      (_request, response) => void response.writeHead(500).end(),
      {},
      { code: 'unavailable', message: /500/ },
    ],
    ['cut off each time', cutAfter(1000), {}, { code: 'unavailable', message: /lost|ended after/ }],
    [
      'ends early',
      (_request, response) => void response.writeHead(200).end('short'),
      { size: 100 },
      { code: 'unavailable', message: /ended after 5 of 100 bytes/ },
    ],
    [
      'no HTTP',
      (request) => void request.socket.end('SSH-2.0-OpenSSH\r\n\r\n'),
      {},
      { code: 'refused', message: /no HTTP/ },
    ],
    [
      'stalls for ever',
      (_request, response) => void response.writeHead(200, { 'content-length': '100' }).write('x'),
      {},
      { code: 'unavailable', message: /stopped sending/ },
    ],
    ['never answers', () => undefined, {}, { code: 'unavailable', message: /does not answer/ }],
  ];
  for (const [name, bad, options, error] of rows) {
    const file = join(folder, `bad-${++count}`);
    mirror.files.set('/bad', CONTENT);
    mirror.bad.set('/bad', bad);
    await t.rejects(download({ path: '/bad', file, tries: 2, ...options }), { remedy: /./, ...error }, name);
    t.notOk(existsSync(file), name);
    const lied = error.code === 'refused' && !['403', 'no HTTP'].includes(name);
    if (lied) t.notOk(existsSync(`${file}.part`), `${name}: nothing is kept`);
  }
});

t.test('redirects are followed within bounds, and never from https to plain http', async (t) => {
  mirror.bad.set('/a', to('/b'));
  mirror.bad.set('/b', to(`${mirror.url}/image`));
  redirects.length = 0;
  const { file } = await download({ path: '/a' });
  t.ok(readFileSync(file).equals(CONTENT));
  t.same(redirects, [`${mirror.url}/b`, `${mirror.url}/image`], 'who was asked instead is said');
  mirror.bad.set('/loop', to('/loop'));
  await t.rejects(download({ path: '/loop' }), { code: 'refused', message: /more than 5 times/ });
  mirror.bad.set('/file', to('file:///etc/passwd'));
  await t.rejects(download({ path: '/file' }), { code: 'refused', message: /no http or https URL/ });
});

t.test('what would not fit on the disk is not begun', async (t) => {
  mirror.bad.set('/big', (_request, response) =>
    response.writeHead(200, { 'content-length': String(63 * 1024 ** 3) }).flushHeaders(),
  );
  const space = createSpaceBudget(folder);
  const claims = [];
  // Others have promised all but a little of it.
  try {
    for (;;) claims.push(await space.reserve(8 * 1024 ** 3, 'other'));
  } catch (thrown) {
    t.match(thrown, { code: 'unavailable', message: /is full: other has \d+ bytes/ });
  }
  const file = join(folder, 'big');
  await t.rejects(downloadFile(`${mirror.url}/big`, file, { http, space, name: 'big', tries: 1 }), {
    code: 'unavailable',
    message: /is full: big has/,
    remedy: /prune/,
  });
  t.notOk(existsSync(file));
  for (const claim of claims) claim[Symbol.dispose]();
});

t.test('a sidecar that says nonsense is a part of nothing', async (t) => {
  for (const text of ['', '{', '[]', '{"url":1}']) {
    const file = join(folder, `nonsense-${++count}`);
    await writeFile(`${file}.part`, 'old bytes');
    await writeFile(`${file}.part.json`, text);
    await download({ file });
    t.ok(readFileSync(file).equals(CONTENT), text);
  }
});
