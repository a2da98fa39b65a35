import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { addAddress, addBridge, addVethPair, createNamespace, joinBridge } from '../../src/lab/namespace.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import { makeGpg } from '../support/make-openpgp.ts';
import type { ChildPull } from '../support/pull-in-child.ts';
import { contentOf } from '../support/test-vendor.ts';
import { until } from '../support/until.ts';
import { askScript, curl } from './support/curl.ts';
import { createSite, type Site } from './support/daemon-site.ts';

const MAC = '52:54:00:12:34:56';
const KERNEL = 'flatcar_production_pxe.vmlinuz';
const INITRD = 'flatcar_production_pxe_image.cpio.gz';
const CHILD = join(import.meta.dirname, '../support/pull-in-child.ts');

const gpg = makeGpg(t);
const key = gpg.makeKey('Flatcar of a test <buildbot@example.org>');
// As Flatcar's: what is published is signed by a sub-key.
const subkey = gpg.addSubkey(key);
const root = t.testdir({});

/** flatcar's own layout: <channel>/<arch>-usr/<version or "current">/, a signature beside each file. */
async function release(version: string): Promise<void> {
  const folder = join(root, 'stable/amd64-usr', version);
  await mkdir(folder, { recursive: true });
  const files = {
    'version.txt': Buffer.from(`FLATCAR_BUILD=${version.split('.')[0]}\nFLATCAR_VERSION=${version}\n`),
    [KERNEL]: contentOf(`${version} kernel`, 400_000),
    [INITRD]: contentOf(`${version} initrd`, 4_000_000),
  };
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), content);
    await writeFile(join(folder, `${name}.sig`), gpg.sign(content, subkey));
  }
  const current = join(root, 'stable/amd64-usr/current');
  await rm(current, { recursive: true, force: true });
  await mkdir(current);
  for (const name of ['version.txt', 'version.txt.sig'])
    await writeFile(join(current, name), readFileSync(join(folder, name)));
}

async function startNginx(): Promise<{ readonly url: string; readonly log: () => string }> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { readonly port: number };
  await new Promise((resolve) => probe.close(resolve));
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-nginx-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const config = join(folder, 'nginx.conf');
  await writeFile(
    config,
    `daemon off; user root; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events {}
http {
  access_log ${folder}/access.log; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server {
    listen 127.0.0.1:${port};
    root ${root};
    location ~ cpio.gz$ { limit_rate 3m; limit_rate_after 1m; }
  }
}
`,
  );
  const nginx = spawn('nginx', ['-e', `${folder}/error.log`, '-c', config], { stdio: 'inherit' });
  t.teardown(() => nginx.kill('SIGTERM'));
  const url = `http://127.0.0.1:${port}`;
  for (;;) {
    const up = await fetch(`${url}/key.asc`).catch(() => undefined);
    if (up !== undefined) break;
    if (nginx.exitCode !== null) throw new Error(readFileSync(`${folder}/error.log`, 'utf8'));
  }
  return { url, log: () => readFileSync(join(folder, 'access.log'), 'utf8') };
}

await release('4230.2.0');
await writeFile(join(root, 'key.asc'), gpg.export(key));
const nginx = await startNginx();

function start(site: Pick<Site, 'folder'>, flags: ChildPull['flags'] = {}) {
  const config = join(site.folder, 'tinderbox.yaml');
  const given: ChildPull = { config, vendor: 'flatcar', mirror: nginx.url, key, flags };
  const child = spawn(process.execPath, [CHILD, JSON.stringify(given)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return { child, ended: once(child, 'close').then(([code]) => ({ code: code as number | null, output })) };
}

const namespace = await createNamespace('pull');
const machine = await createNamespace('machine');
t.teardown(() => Promise.all([machine[Symbol.asyncDispose](), namespace[Symbol.asyncDispose]()]));
await addBridge(namespace, 'br0', '10.77.0.1/24');
await addVethPair({ namespace, name: 'port0' }, { namespace: machine, name: 'eth0' });
await joinBridge(namespace, 'port0', 'br0');
await addAddress(machine, 'eth0', '10.77.0.50/24');

const ROLE = `boot:
  kernel: /assets/flatcar/${KERNEL}
  initrd: [/assets/flatcar/${INITRD}]
  cmdline: ['ignition.config.url={{configUrl}}', 'rootfs={{assetsUrl}}/flatcar/${INITRD}']
config: { format: cloud-config, template: cloud-config.yaml.hbs }
`;

await t.test(
  'from a real mirror to a machine that boots: killed, gone on with, pinned, and replaced',
  async (t) => {
    await using site = await createSite(namespace, { 'profiles/worker/role.yaml': ROLE });
    const flatcar = join(site.folder, 'assets/flatcar');
    const first = start(site);
    const part = join(flatcar, `.pull-4230.2.0/${INITRD}.part`);
    let ended = false;
    void first.ended.then(() => (ended = true));
    await until(() => ended || (existsSync(part) && statSync(part).size > 500_000));
    first.child.kill('SIGKILL');
    t.match(await first.ended, { code: null }, 'it was still at it');
    t.notOk(existsSync(join(flatcar, 'current')));

    const { code, output } = await start(site).ended;
    t.equal(code, 0, output);
    t.match(output, /flatcar 4230\.2\.0: 2 file\(s\), .*, signed by Flatcar of a test/);
    t.match(nginx.log(), /cpio\.gz HTTP\/1\.1" 206 /, 'nginx was asked for the rest only');
    t.ok(
      readFileSync(join(flatcar, INITRD)).equals(
        readFileSync(join(root, 'stable/amd64-usr/4230.2.0', INITRD)),
      ),
    );

    await site.serve();
    const { script } = await askScript(machine, MAC);
    t.match(script, `kernel http://10.77.0.1/assets/flatcar/4230.2.0/${KERNEL} `);
    t.match(script, `rootfs=http://10.77.0.1/assets/flatcar/4230.2.0/${INITRD}`);
    t.match(script, `initrd --name initrd0 http://10.77.0.1/assets/flatcar/4230.2.0/${INITRD} `);

    // A newer version becomes current while the machine is between its kernel and its initrd.
    await release('4230.2.1');
    const newer = await start(site).ended;
    t.equal(newer.code, 0, newer.output);
    t.equal(readlinkSync(join(flatcar, 'current')), '4230.2.1');
    for (const name of [KERNEL, INITRD]) {
      const got = await machine.run([
        'sh',
        '-c',
        `curl -s http://10.77.0.1/assets/flatcar/4230.2.0/${name} | sha256sum`,
      ]);
      const wanted = await machine.run(['sha256sum', join(root, 'stable/amd64-usr/4230.2.0', name)]);
      t.equal(got.split(' ')[0], wanted.split(' ')[0], `${name} is still of the version of the script`);
    }
    const { events } = JSON.parse((await site.run('machines', MAC, '--json')).stdout) as {
      events: BootEvent[];
    };
    t.same(
      events.flatMap(({ stage }) => stage ?? []).filter((stage) => stage !== 'discovered'),
      ['script', 'kernel', 'initrd'],
    );
    const pruned = await site.run('assets', 'prune', '--keep', '0');
    t.match(pruned.stdout, /4230\.2\.0: stays, it was current a moment ago/);

    // Links are looked at once a second.
    for (;;) if ((await askScript(machine, MAC)).script.includes(`/assets/flatcar/4230.2.1/${KERNEL}`)) break;
    t.match(await site.run('assets', 'use', 'flatcar', '4230.2.0'), { code: 0 });
    for (;;) if ((await askScript(machine, MAC)).script.includes(`/assets/flatcar/4230.2.0/${KERNEL}`)) break;
    t.equal(
      (await curl(machine, `http://10.77.0.1/assets/flatcar/${KERNEL}`, '--head')).status,
      200,
      'the link serves as well',
    );
    t.match(await site.run('render', MAC), { stdout: new RegExp(`/assets/flatcar/4230\\.2\\.0/${KERNEL}`) });
    const listed = JSON.parse((await site.run('assets', 'list', '--json', '--verify')).stdout) as object;
    t.match(listed, {
      images: [
        { version: '4230.2.0', current: true, roles: ['worker'], problems: [] },
        { version: '4230.2.1', current: false },
      ],
    });

    await site.write({
      'profiles/worker/role.yaml': ROLE.replace('cloud-config, template', 'raw, template'),
    });
    t.match(
      (await site.run('check')).stdout,
      /role worker gives raw, but flatcar 4230\.2\.0 reads ignition or cloud-config/,
    );
  },
);

await t.test('a mirror that changes a byte, or signs by itself, gets nowhere', async (t) => {
  await using site = await createSite(namespace);
  const folder = join(root, 'stable/amd64-usr/4230.2.1');
  const good = readFileSync(join(folder, KERNEL));
  const bad = Buffer.from(good);
  bad[200_000] = (bad[200_000] ?? 0) ^ 1;
  await writeFile(join(folder, `${KERNEL}.new`), bad);
  await rename(join(folder, `${KERNEL}.new`), join(folder, KERNEL));
  t.match(await start(site).ended, {
    code: 1,
    output: /signature of flatcar_production_pxe.vmlinuz is refused: it does not fit/,
  });
  const stranger = gpg.makeKey('Stranger <stranger@example.org>');
  await writeFile(join(folder, `${KERNEL}.sig`), gpg.sign(bad, stranger.fingerprint));
  t.match(await start(site).ended, { code: 1, output: /none of the vendor's/ });
  await writeFile(join(root, 'key.asc'), gpg.export(stranger));
  t.match(await start(site).ended, {
    code: 1,
    output: /has the key .*, and not the one that Tinderbox knows/,
  });
  t.notOk(existsSync(join(site.folder, 'assets/flatcar/4230.2.1')));
  t.match((await site.run('assets', 'list')).stdout, 'No image was pulled yet.');
});
