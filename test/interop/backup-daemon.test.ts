import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createSite } from './support/daemon-site.ts';
import { bootMachines, createLab } from './support/dhcp-lab.ts';

/* A backup while machines boot, restored in another folder: the same addresses, the same authority. */
t.setTimeout(300_000);

const CONFIG = `network: { interface: br0 }
dhcp: { mode: server, probe: off, probeAddresses: false, range: 10.77.0.100-10.77.0.199 }
cluster: { name: rack-1, apiServer: 'https://10.77.0.1:6443' }
`;
const MACHINES = 12;
const ORDER = {
  interface: 'eth0',
  count: MACHINES,
  firstMac: 0x525400cc0000,
  arch: 'uefi-x64',
  until: 'report',
  timeout: 90_000,
} as const;

await using lab = await createLab({ address: '10.77.0.1/24' });
const { namespace } = lab.network;
const client = await lab.addClient('10.77.0.3/24');
await using site = await createSite(namespace, { 'tinderbox.yaml': CONFIG });
const elsewhere = await mkdtemp(join(tmpdir(), 'tinderbox-restored-'));
t.teardown(() => rm(elsewhere, { recursive: true, force: true }));
const file = join(elsewhere, 'backup.tar.gz');
const phrase = join(elsewhere, 'passphrase');
await writeFile(phrase, 'correct horse battery\n', { mode: 0o600 });
const restored = join(elsewhere, 'etc/tinderbox.yaml');

const addressesOf = (outcomes: Awaited<ReturnType<typeof bootMachines>>) =>
  Object.fromEntries(outcomes.map(({ mac, addresses }) => [mac, addresses.os]));

let before: Readonly<Record<string, string>> = {};
const certificate = join(elsewhere, 'issued.crt');

await t.test('a backup is taken while machines boot, and none of them notices', async (t) => {
  const daemon = await site.serve();
  before = addressesOf(await bootMachines(client, ORDER));
  t.equal(new Set(Object.values(before)).size, MACHINES);
  const kubeconfig = join(elsewhere, 'kubeconfig');
  const made = await site.run('kubeconfig', '--user', 'ada', '--file', kubeconfig);
  t.equal(made.code, 0, made.stderr);
  const [, data = ''] = /client-certificate-data: (\S+)/.exec(await readFile(kubeconfig, 'utf8')) ?? [];
  await writeFile(certificate, Buffer.from(data, 'base64'));

  const booting = bootMachines(client, { ...ORDER, firstMac: ORDER.firstMac + 100, stagger: 100 });
  for (let round = 0; round < 3; round++) {
    const { code, stdout, stderr } = await site.run(
      'backup',
      file,
      '--passphrase-file',
      phrase,
      '--force',
      '--json',
    );
    t.equal(code, 0, stderr);
    t.match(JSON.parse(stdout), { file, sealed: ['session-key', 'pki/etcd.pem'] });
  }
  const outcomes = await booting;
  t.same(
    outcomes.filter(({ ok }) => !ok),
    [],
  );
  t.equal((await stat(file)).mode & 0o777, 0o600);
  t.same(
    (await readdir(join(site.folder, 'var'))).filter((name) => name.includes('.part')),
    [],
  );
  const refused = await site.run('restore', file, '--passphrase-file', phrase);
  t.match(refused, { code: 1, stderr: /the daemon is running[^]*systemctl stop/ });
  const bare = await site.run('backup', '-', '--no-authorities');
  t.match(bare.stderr, /no authorities; assets are listed only/);
  t.match(await site.run('backup', file, '--force'), {
    code: 2,
    stderr: /no terminal to ask on[^]*--no-authorities/,
  });
  daemon.signal('SIGTERM');
  t.equal((await daemon.ended).code, 0);
});

await t.test('restored elsewhere it gives the same addresses and has the same authority', async (t) => {
  const dry = await site.run('restore', file, '--config', restored, '--passphrase-file', phrase, '--dry-run');
  t.match(dry, { code: 0, stdout: /nothing was changed/ });
  t.same((await readdir(elsewhere)).includes('etc'), false);
  const { code, stdout, stderr } = await site.run(
    'restore',
    file,
    '--config',
    restored,
    '--passphrase-file',
    phrase,
  );
  t.equal(code, 0, stderr);
  t.match(stdout, /authorities: .*etc\/var\/pki\n/);
  await mkdir(join(elsewhere, 'etc/assets'), { recursive: true });
  for (const name of ['vmlinuz', 'initrd.gz'])
    await writeFile(join(elsewhere, 'etc/assets', name), new Uint8Array(9));

  const pem = await readFile(join(elsewhere, 'etc/var/pki/kubernetes.pem'), 'utf8');
  const authority = join(elsewhere, 'ca.crt');
  await writeFile(
    authority,
    /-----BEGIN CERTIFICATE-----[^]+?-----END CERTIFICATE-----\n/.exec(pem)?.[0] ?? '',
  );
  const verified = execFileSync('openssl', ['verify', '-CAfile', authority, certificate], {
    encoding: 'utf8',
  });
  t.match(verified, /issued\.crt: OK/);

  const daemon = await site.serve('--config', restored);
  t.same(addressesOf(await bootMachines(client, ORDER)), before);
  const machines = await site.run('machines', '--json', '--config', restored);
  t.equal(JSON.parse(machines.stdout).length >= MACHINES, true, 'and knows them');
  daemon.signal('SIGTERM');
  await daemon.ended;
});

await t.test(
  'damage while it runs ends the daemon, and its next start goes on with the leases',
  async (t) => {
    const daemon = await site.serve('--config', restored);
    const database = join(elsewhere, 'etc/var/tinderbox.db');
    // Everything but the first page, which connections hold in their memory.
    const { size } = await stat(database);
    execFileSync('dd', [
      'if=/dev/urandom',
      `of=${database}`,
      'bs=4096',
      'seek=1',
      `count=${size / 4096 - 1}`,
      'conv=notrunc',
      'status=none',
    ]);
    void bootMachines(client, { ...ORDER, count: 1, timeout: 10_000 }).catch(() => undefined);
    await site.run('machines', '--config', restored);
    const { code, stdout, stderr } = await daemon.ended;
    t.equal(code, 1, stdout);
    t.match(stderr, /is damaged/);
    const again = await site.serve('--config', restored);
    t.match(again.log(), /was damaged .* history begins anew/);
    const check = await site.run('check', '--config', restored);
    t.match(check.stdout, /warning: .*tinderbox\.db\.damaged-.*set aside/);
    again.signal('SIGTERM');
    t.equal((await again.ended).code, 0);
  },
);
