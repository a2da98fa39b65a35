import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, request as httpRequest } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { fetchSmall } from '../../src/images/fetch-small.ts';
import { openHttp } from '../../src/images/http-get.ts';
import { readImages } from '../../src/images/image-folder.ts';
import { makeGpg } from '../support/make-openpgp.ts';
import { makeTlsFiles } from '../support/make-tls-files.ts';
import type { ChildPull } from '../support/pull-in-child.ts';
import { etagOf } from '../support/start-mirror.ts';
import { startVendorMirror } from '../support/test-vendor.ts';
import { until } from '../support/until.ts';

const gpg = makeGpg(t);
const key = gpg.makeKey('Vendor <images@example.org>');
const SIZE = 3_000_000;
const mirror = await startVendorMirror(t, gpg, key, ['1'], { size: SIZE });
const INITRD = '/stable/amd64/1/initrd.cpio.gz';
const NAMESPACE = ['unshare', '--user', '--map-root-user', '--mount', '--'];
const CHILD = join(import.meta.dirname, '../support/pull-in-child.ts');

/** A site's tinderbox.yaml, and where its assets are. */
async function makeSite(t: Test): Promise<{ readonly config: string; readonly assets: string }> {
  // Short: a socket's path has a bound.
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-pull-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const config = join(folder, 'tinderbox.yaml');
  await writeFile(config, 'network: { interface: lo }\n');
  return { config, assets: join(folder, 'assets') };
}

function start(
  given: ChildPull,
  { before = [], env = {} }: { readonly before?: readonly string[]; readonly env?: NodeJS.ProcessEnv } = {},
) {
  const [program, ...argv] = [...before, process.execPath, CHILD, JSON.stringify(given)];
  const child = spawn(program, argv, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { child, ended };
}

/** Throws what the child said if it ends before. */
async function reaches(
  file: string,
  size: number,
  ended: Promise<{ readonly stderr: string }>,
): Promise<void> {
  let said: string | undefined;
  void ended.then(({ stderr }) => (said = stderr));
  await until(() => said !== undefined || (existsSync(file) && statSync(file).size > size));
  if (said !== undefined) throw new Error(`it ended: ${said}`);
}

t.test('killed in the middle, it leaves nothing usable, and the next one goes on', async (t) => {
  const { config, assets } = await makeSite(t);
  const content = mirror.files.get(INITRD) as Buffer;
  mirror.bad.set(INITRD, (_request, response) => {
    response.writeHead(200, { etag: etagOf(content), 'content-length': content.length });
    response.write(content.subarray(0, 1_000_000));
  });
  const given: ChildPull = { config, vendor: 'testos', mirror: mirror.url, key };
  const { child, ended } = start(given);
  const part = join(assets, 'testos/.pull-1/initrd.cpio.gz.part');
  await reaches(part, 500_000, ended);
  child.kill('SIGKILL');
  await ended;
  t.same(await readImages(assets), []);
  t.same(readdirSync(join(assets, 'testos')).toSorted(), ['.lock', '.pull-1'], 'no version and no link');

  mirror.bad.delete(INITRD);
  mirror.asked.length = 0;
  const again = await start(given).ended;
  t.equal(again.code, 0, again.stderr);
  t.match(
    mirror.asked.find((line) => line.startsWith(`GET ${INITRD} `)),
    /bytes=\d{6,}-$/,
    'from where it ended',
  );
  t.notOk(mirror.asked.includes('GET /stable/amd64/1/vmlinuz'), 'and what was whole is not asked for');
  t.ok(readFileSync(join(assets, 'testos/initrd.cpio.gz')).equals(content));
  t.notOk(existsSync(join(assets, 'testos/.lock')));
});

t.test('stopped by Ctrl-C, it says that what was fetched is kept', async (t) => {
  const { config, assets } = await makeSite(t);
  mirror.bad.set(INITRD, (_request, response) => {
    response.writeHead(200, { etag: '"x"', 'content-length': SIZE });
    response.write(Buffer.alloc(600_000));
  });
  const { child, ended } = start({ config, vendor: 'testos', mirror: mirror.url, key });
  const part = join(assets, 'testos/.pull-1/initrd.cpio.gz.part');
  await reaches(part, 500_000, ended);
  child.kill('SIGINT');
  t.match(await ended, { code: 1, stderr: /stopped; what was fetched is kept/ });
  t.ok(existsSync(part));
  t.notOk(existsSync(join(assets, 'testos/.lock')));
  mirror.bad.delete(INITRD);
});

t.test(
  'a disk without room is said before, and one that fills up while it is written is gone on with',
  async (t) => {
    const small = await makeSite(t);
    const given: ChildPull = { config: small.config, vendor: 'testos', mirror: mirror.url, key, mount: '5m' };
    const said = await start(given, { before: NAMESPACE }).ended;
    t.match(
      said.stderr,
      /the disk that holds \S+ is full: initrd.cpio.gz has 3000000 bytes, and \d+ are free/,
    );
    t.match(said.stderr, /assets prune/);
    t.notMatch(said.stdout.split('\n')[0], '"testos/1"', 'nothing is usable');
    t.equal(said.code, 0, said.stderr);
    t.match(said.stdout, 'testos 1: 2 file(s)');

    const program = join(import.meta.dirname, '../support/download-on-full-disk.ts');
    const [unshare, ...argv] = [
      ...NAMESPACE,
      process.execPath,
      program,
      `${mirror.url}${INITRD}`,
      t.testdir({}),
    ];
    const { stdout } = await promisify(execFile)(unshare, argv);
    const { part, ...filled } = JSON.parse(stdout) as { readonly part: number };
    t.match(filled, {
      full: { code: 'unavailable', message: /is full: image did not fit/, remedy: /goes on where it ended/ },
      list: ['image.part', 'image.part.json'],
      room: { size: SIZE, resumed: true },
      after: ['image'],
    });
    t.ok(part > 1_000_000 && part < SIZE);
  },
);

t.test('https that redirects to plain http is refused', async (t) => {
  const { key: keyFile, certificate } = makeTlsFiles(t.testdir({}), '127.0.0.1');
  const tls = { key: readFileSync(keyFile), cert: readFileSync(certificate) };
  const server = createHttpsServer(tls, (request, response) => {
    response.writeHead(302, { location: `${mirror.url}${request.url ?? ''}` }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { config, assets } = await makeSite(t);
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const given: ChildPull = { config, vendor: 'testos', mirror: url, key };
  const { code, stderr } = await start(given, { env: { NODE_EXTRA_CA_CERTS: certificate } }).ended;
  t.equal(code, 1);
  t.match(
    stderr,
    /https:\/\/127\.0\.0\.1:\d+\/stable\/amd64\/latest redirects from https to plain http: http:/,
  );
  t.same(await readImages(assets), []);
  const untrusted = await start(given).ended;
  t.match(
    untrusted.stderr,
    /cannot be fetched: .*certificate/,
    'and a certificate that nobody vouches for, too',
  );
});

t.test(
  'a proxy is asked where the environment names one, and not for hosts that it leaves out',
  async (t) => {
    const asked: string[] = [];
    const proxy = createHttpServer((request, response) => {
      asked.push(request.url ?? '');
      const onward = httpRequest(request.url ?? '', { headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      request.pipe(onward);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    t.teardown(() => proxy.close());
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    for (const [none, wanted] of [
      ['', [`${mirror.url}/key.asc`]],
      ['127.0.0.1', []],
    ] as const) {
      asked.length = 0;
      await using http = await openHttp({ proxies: { http: url, https: url, none } });
      t.ok((await fetchSmall(http, `${mirror.url}/key.asc`)).length > 0);
      t.same(asked, wanted, `no_proxy=${none}`);
    }
    const { config } = await makeSite(t);
    asked.length = 0;
    const { code, stderr } = await start(
      { config, vendor: 'testos', mirror: mirror.url, key },
      { env: { http_proxy: url, no_proxy: '' } },
    ).ended;
    t.equal(code, 0, stderr);
    t.ok(asked.includes(`${mirror.url}${INITRD}`), 'the command reads it');
  },
);
