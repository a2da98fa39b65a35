import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { curl } from './support/curl.ts';
import { createSite, waitUntil } from './support/daemon-site.ts';
import { createLab } from './support/dhcp-lab.ts';
import { createNginx } from './support/run-nginx.ts';

const SIZE = 3_000_000;
const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

// A web server far away, a box at a rack that fetches from it, a second one that fetches from the first, and a machine.
await using lab = await createLab();
const far = lab.network.namespace;
const [rack, room, machine] = [
  await lab.addClient('10.77.0.2/24'),
  await lab.addClient('10.77.0.3/24'),
  await lab.addClient('10.77.0.50/24'),
] as const;
const root = await mkdtemp(join(tmpdir(), 'tinderbox-far-'));
t.teardown(() => rm(root, { recursive: true, force: true }));
await mkdir(join(root, 'assets/image'), { recursive: true });
await using nginx = await createNginx({
  namespace: far,
  root,
  listen: '10.77.0.1:8000',
  more: 'location ~ slow { limit_rate 2m; limit_rate_after 300k; }',
});
await nginx.start();

const configOf = (from: string) => `network: { interface: eth0 }
dhcp: { mode: off }
assets: { pullThrough: { from: '${from}', maxBytes: 100MB, freshFor: 1 } }
`;
const noAssets = { 'assets/vmlinuz': undefined, 'assets/initrd.gz': undefined };
await using rackSite = await createSite(rack, {
  ...noAssets,
  'tinderbox.yaml': configOf('http://10.77.0.1:8000'),
});
await using roomSite = await createSite(room, {
  ...noAssets,
  'tinderbox.yaml': configOf('http://10.77.0.2'),
});

const RACK = 'http://10.77.0.2/assets/image';
const ROOM = 'http://10.77.0.3/assets/image';

async function put(name: string, bytes = randomBytes(SIZE)): Promise<string> {
  await writeFile(join(root, 'assets/image', name), bytes);
  return hashOf(bytes);
}

const askedFor = (name: string, method = 'GET') =>
  nginx.asked().filter((line) => line.startsWith(`${method} /assets/image/${name} `));

/** The digests of what so many clients get at once. */
async function fetchAtOnce(url: string, clients: number): Promise<readonly string[]> {
  const one = `curl --silent --fail --max-time 25 ${url} | sha256sum`;
  const output = await machine.run(['sh', '-c', `for i in $(seq ${clients}); do (${one}) & done; wait`], {
    timeout: 30_000,
  });
  return output
    .trim()
    .split('\n')
    .map((line) => line.slice(0, 64));
}

const [checked] = await Promise.all([rackSite.run('check'), rackSite.serve(), roomSite.serve()]);

await t.test('that files are missing is no error of a box that fetches them', async (t) => {
  t.equal(checked.code, 0, checked.stdout + checked.stderr);
});

await t.test('fifty machines that ask at once make one request to the server far away', async (t) => {
  const hash = await put('slow-kernel');
  const got = await fetchAtOnce(`${RACK}/slow-kernel`, 50);
  t.equal(got.length, 50);
  t.same([...new Set(got)], [hash]);
  t.same(askedFor('slow-kernel'), ['GET /assets/image/slow-kernel 200']);
  const { stdout } = await rackSite.run('assets', 'list');
  t.match(stdout, /^\/assets\/image\/slow-kernel +2\.9 MiB/m);
});

/** Bytes that came to the box at the rack. */
async function counted(): Promise<number> {
  const metrics = await rack.run([
    'curl',
    '--silent',
    '--unix-socket',
    join(rackSite.folder, 'var/admin.sock'),
    'http://tinderbox/metrics',
  ]);
  return Number(/^tinderbox_pull_through_fetched_bytes_total (\d+)/m.exec(metrics)?.[1] ?? 0);
}

await t.test('one that dies half-way is asked for the rest when it is back', async (t) => {
  const hash = await put('slow-initrd');
  const child = machine.spawn(['sh', '-c', `curl --silent --max-time 25 ${RACK}/slow-initrd | sha256sum`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close');
  await waitUntil('a part has come', async () => (await counted()) > SIZE + 300_000);
  await nginx.kill();
  await nginx.start();
  await ended;
  t.equal(output.slice(0, 64), hash);
  t.match(askedFor('slow-initrd'), [/ 206$/], 'what was killed logs nothing');
});

await t.test('ranges, HEAD and conditions are exact, of what is held and of what is not', async (t) => {
  const bytes = randomBytes(1000);
  await put('small', bytes);
  const head = await curl(machine, `${RACK}/small`, '--head');
  t.match(head, { status: 200, body: /content-length: 1000/i });
  t.same(askedFor('small'), [], 'nothing is fetched for it');
  for (const url of [`${ROOM}/small`, `${RACK}/small`]) {
    const output = await machine.run(['sh', '-c', `curl --silent --range 10-19 ${url} | sha256sum`]);
    t.equal(output.slice(0, 64), hashOf(bytes.subarray(10, 20)), url);
  }
  t.same(askedFor('small'), ['GET /assets/image/small 200'], 'all of it, once, for a part of it');
  const held = await curl(machine, `${RACK}/small`, '--head');
  const etag = /^etag: (.*)\r$/im.exec(held.body)?.[1] ?? '';
  t.equal((await curl(machine, `${RACK}/small`, '-H', `If-None-Match: ${etag}`)).status, 304);
  t.equal((await curl(machine, `${RACK}/small`, '--range', '5000-')).status, 416);
  t.equal((await curl(machine, `${RACK}/%2e%2e/secret`)).status, 404);
  t.equal((await curl(machine, `${RACK}/.hidden`)).status, 404);
  t.same(askedFor('.hidden'), [], 'no other path than those that are served is asked for');
});

await t.test('a box behind a box has it fetched once, too', async (t) => {
  const hash = await put('slow-rootfs');
  t.same([...new Set(await fetchAtOnce(`${ROOM}/slow-rootfs`, 20))], [hash]);
  t.same([...new Set(await fetchAtOnce(`${RACK}/slow-rootfs`, 5))], [hash]);
  t.same(askedFor('slow-rootfs'), ['GET /assets/image/slow-rootfs 200']);
});

await t.test('a newer file there is served here when a second has passed', async (t) => {
  await put('small', Buffer.from('the newer one'));
  await waitUntil('both have it', async () => {
    const [near, next] = [await curl(machine, `${RACK}/small`), await curl(machine, `${ROOM}/small`)];
    return near.body === 'the newer one' && next.body === 'the newer one';
  });
  t.pass();
});

await t.test('while it is away what is held is served, and for the rest there is a reason', async (t) => {
  await put('never-asked-for');
  await nginx.kill();
  const { body, status } = await curl(machine, `${RACK}/small`);
  t.same({ body, status }, { body: 'the newer one', status: 200 });
  const lost = await curl(machine, `${RACK}/never-asked-for`);
  t.match(lost, { status: 504, body: /cannot be fetched now/ }, 'so that iPXE goes on with the next place');
  const { stdout } = await rackSite.run('doctor');
  t.match(stdout, /http:\/\/10\.77\.0\.1:8000 does not answer, where what is not here is fetched/);
  await nginx.start();
  await waitUntil(
    'it is fetched',
    async () => (await curl(machine, `${RACK}/never-asked-for`)).status === 200,
  );
});

await t.test('what was fetched is removed by one command, and fetched again', async (t) => {
  t.match(await rackSite.run('assets', 'prune', '--fetched'), {
    code: 0,
    stdout: /\d+ fetched files were removed/,
  });
  t.equal((await curl(machine, `${RACK}/small`)).body, 'the newer one');
  t.match(await rackSite.run('assets', 'prune', '--fetched', 'x'), { code: 2 });
});
