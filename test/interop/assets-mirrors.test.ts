import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { ExplainView } from '../../src/admin/explain-api.ts';
import { askScript, curl } from './support/curl.ts';
import { createSite, SOUND_FILES, waitUntil } from './support/daemon-site.ts';
import { createLab } from './support/dhcp-lab.ts';
import { createNginx } from './support/run-nginx.ts';

const MAC = '52:54:00:00:00:10';
const MIRROR = 'http://10.77.0.5';

await using lab = await createLab();
const near = await lab.addClient('10.77.0.50/24');
const elsewhere = await lab.addClient('10.77.0.90/24');
const rack = await lab.addClient('10.77.0.5/24');
const root = await mkdtemp(join(tmpdir(), 'tinderbox-mirror-'));
t.teardown(() => rm(root, { recursive: true, force: true }));
await mkdir(join(root, 'assets'));
for (const name of ['vmlinuz', 'initrd.gz']) {
  await writeFile(join(root, 'assets', name), SOUND_FILES[`assets/${name}`] ?? '');
}
await using nginx = await createNginx({ namespace: rack, root, listen: '10.77.0.5:80' });
await nginx.start();
await using site = await createSite(lab.network.namespace, {
  'tinderbox.yaml': `network: { interface: br0 }
dhcp: { mode: server, probe: off, range: 10.77.0.100-10.77.0.199 }
assets: { mirrors: [{ url: '${MIRROR}', subnet: 10.77.0.48/28 }] }
`,
});
const daemon = await site.serve();

const kernels = (script: string) =>
  [...script.matchAll(/^kernel (\S+)\/assets\/vmlinuz /gm)].map(([, place]) => place);

/** Of the daemon's admin plane: a program takes a second to start. */
async function ask(path: string): Promise<string> {
  const socket = join(site.folder, 'var/admin.sock');
  return lab.network.namespace.run(['curl', '--silent', '--unix-socket', socket, `http://tinderbox${path}`]);
}

async function stageOf(mac: string): Promise<string | undefined> {
  const { sessions } = JSON.parse(await ask(`/api/v1/machines/${mac}`)) as {
    readonly sessions: readonly { readonly stage: string }[];
  };
  return sessions[0]?.stage;
}

async function reasonsOf(mac: string): Promise<string> {
  const { events } = JSON.parse(await ask(`/api/v1/machines/${mac}/events`)) as {
    readonly events: readonly { readonly kind: string; readonly reasons: readonly string[] }[];
  };
  return events.findLast(({ kind }) => kind === 'http.script')?.reasons.join('\n') ?? '';
}

await t.test(
  'a machine of its network is sent to the mirror, and to nobody else; another one is not',
  async (t) => {
    const { script, session } = await askScript(near, MAC);
    t.same(kernels(script), [MIRROR, 'http://10.77.0.1']);
    t.match(script, /^initrd --name initrd0 http:\/\/10\.77\.0\.5\/assets\/initrd\.gz \|\| goto place1$/m);
    t.match(
      await reasonsOf(MAC),
      /come from the mirror http:\/\/10\.77\.0\.5 \(subnet 10\.77\.0\.48\/28\), whose/,
    );
    t.notMatch(script, /10\.77\.0\.5\/boot/, 'configurations never come from a mirror');
    t.match(session, /^http:\/\/10\.77\.0\.1\/boot\//);
    const other = await askScript(elsewhere, '52:54:00:00:00:11');
    t.same(kernels(other.script), ['http://10.77.0.1']);

    // What is fetched there is not seen here: the configuration proves that it was.
    t.equal((await curl(near, `${MIRROR}/assets/vmlinuz`, '--head')).status, 200);
    t.equal(await stageOf(MAC), 'script');
    t.equal((await curl(near, `${session}/cloud-config`)).status, 200);
    t.equal(await stageOf(MAC), 'config');
  },
);

await t.test('explain says so', async (t) => {
  const { stdout } = await site.run('explain', MAC, '--json');
  const explained = JSON.parse(stdout) as ExplainView;
  t.match(explained.reasons.join('\n'), /come from the mirror http:\/\/10\.77\.0\.5/);
  t.match(explained.preview?.script, /kernel http:\/\/10\.77\.0\.5\/assets\/vmlinuz/);
});

await t.test(
  'a mirror that is stopped is noticed when a machine comes back from it, and then left out',
  async (t) => {
    await nginx.kill();
    const { script } = await askScript(near, MAC);
    t.same(kernels(script), [MIRROR, 'http://10.77.0.1'], 'not known yet: the script falls back by itself');
    t.equal((await curl(near, 'http://10.77.0.1/assets/vmlinuz', '--output', '/dev/null')).status, 200);
    t.equal(await stageOf(MAC), 'kernel', 'what is fetched here is seen');
    await waitUntil('it is noticed', () =>
      daemon.log().includes('does not answer: its machines fetch from here'),
    );
    t.same(kernels((await askScript(near, MAC)).script), ['http://10.77.0.1']);
    t.match(await reasonsOf(MAC), /http:\/\/10\.77\.0\.5 is left out: it does not answer since/);
    const metrics = await ask('/metrics');
    t.match(
      metrics,
      /^tinderbox_mirror_up\{mirror="http:\/\/10\.77\.0\.5",place="subnet 10\.77\.0\.48\/28"\} 0$/m,
    );
    t.match((await site.run('doctor')).stdout, /the mirror http:\/\/10\.77\.0\.5 .* does not answer/);
  },
);

await t.test('once it is back it is used again', async (t) => {
  await nginx.start();
  await waitUntil('it is noticed', () => daemon.log().includes('10.77.0.5 is back'));
  t.same(kernels((await askScript(near, MAC)).script), [MIRROR, 'http://10.77.0.1']);
});

await t.test('a GRUB is given the mirror in its own language, and one without HTTP none', async (t) => {
  const question = `grub.cfg?mac=${MAC}&arch=x86_64&platform=efi`;
  const byHttp = await curl(near, `http://10.77.0.1/${question}`);
  const loads = [...byHttp.body.matchAll(/^if linux '\(http,([^)]+)\)/gm)].map(([, host]) => host);
  t.same(loads, ['10.77.0.5', '10.77.0.1']);
  const { body } = await curl(near, `tftp://10.77.0.1/${question.replace('?', '%3F')}`);
  t.match(body, /linux '\(tftp,10\.77\.0\.1\)\/assets\/vmlinuz'/);
  t.notMatch(body, /10\.77\.0\.5/);
});

await t.test('a mirror without the file that a role needs is left out for that role', async (t) => {
  await writeFile(join(root, 'assets/initrd.gz'), 'another one');
  await askScript(near, MAC);
  await curl(near, 'http://10.77.0.1/assets/vmlinuz', '--output', '/dev/null');
  await waitUntil('it is noticed', async () => kernels((await askScript(near, MAC)).script).length === 1, {
    limit: 25_000,
  });
  t.match(await reasonsOf(MAC), /is left out: its \/assets\/initrd\.gz has 11 bytes, and ours 500000/);
});
