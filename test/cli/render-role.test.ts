import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { loadCatalog } from '../../src/catalog/load-catalog.ts';
import { runCli } from '../../src/cli/program.ts';
import { loadConfig } from '../../src/config/load.ts';
import { checkRoleTemplates } from '../../src/render/check-templates.ts';
import { renderRole } from '../../src/render-role.ts';
import { makeFolder, open, openssl } from '../pki/support/make-cluster.ts';

const DAY = 24 * 60 * 60 * 1000;
const MEMBER = ['master-1', '10.77.0.10'] as const;
const notRoot = process.getuid?.() === 0 ? false : 'needs root';

const SITE = `network: { interface: nowhere0 }
cluster:
  name: lab
  apiServer: https://k8s.example.org:6443
  controllers: [{ hostname: master-1, address: 10.77.0.10 }]
`;

/** A controller that writes what it is issued, and a worker that only speaks of it. */
const FILES = {
  'profiles/machines.yaml': 'default: none\n',
  'profiles/controller/role.yaml': `description: A controller
identity: controller
boot: { kernel: /assets/vmlinuz, cmdline: [quiet] }
config: { format: cloud-config, template: cloud-config.yaml.hbs }
parameters: { version: "1.30", replicas: 1, disk: auto, etcdDisk: '', list: [] }
`,
  'profiles/controller/cloud-config.yaml.hbs': `#cloud-config
hostname: {{machine.hostname}}
users: [{ name: ada }]
write_files:
{{#each identity.certificates as |one|}}
  - { path: {{one.certificateFile}}, content: {{json one.certificate}} }
  - { path: {{one.keyFile}}, permissions: "0600", content: {{json one.key}} }
{{/each}}
{{#each identity.authorities as |one|}}
  - { path: {{one.file}}, content: {{json one.certificate}} }
{{/each}}
  - { path: {{identity.serviceAccounts.privateKeyFile}}, permissions: "0600", content: {{json identity.serviceAccounts.privateKey}} }
  - { path: {{identity.serviceAccounts.publicKeyFile}}, content: {{json identity.serviceAccounts.publicKey}} }
  - { path: /etc/settings, content: "{{parameters.version}} {{parameters.replicas}} {{parameters.disk}} {{parameters.etcdDisk}} {{machine.address}} {{reportUrl}}" }
  - { path: /opt/packed, encoding: gzip+base64, permissions: "0750", owner: "daemon:daemon", content: H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA== }
coreos:
  units:
    - { name: one.service, command: start, content: "[Service]\\nExecStart=/bin/true\\n" }
    - { name: two.service, enable: true, content: "[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n", drop_ins: [{ name: 10-a.conf, content: "[Service]\\nNice=1\\n" }] }
    - { name: 10-lan.network, content: "[Match]\\nName=eth0\\n" }
    - { name: three.service, mask: true }
`,
  'profiles/worker/role.yaml': `description: A worker
identity: worker
boot: { kernel: /assets/vmlinuz, cmdline: [quiet] }
config: { format: cloud-config, template: cloud-config.yaml.hbs }
`,
  'profiles/worker/cloud-config.yaml.hbs': `#cloud-config
write_files:
  - path: /etc/kubernetes/kubelet.yaml
    content: "/etc/kubernetes/pki/kubelet.crt /etc/kubernetes/pki/kubelet.key /etc/kubernetes/pki/ca.crt"
`,
  'profiles/bare/role.yaml': 'description: Nothing\nboot: { kernel: /assets/vmlinuz, cmdline: [quiet] }\n',
};

async function makeSite(t: { teardown(then: () => void): void }, site = SITE) {
  const folder = makeFolder(t);
  for (const [name, text] of Object.entries({ 'tinderbox.yaml': site, ...FILES })) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const config = join(folder, 'tinderbox.yaml');
  const out = join(folder, 'out');
  const run = async (...argv: readonly string[]) => {
    let stdout = '';
    let err = '';
    const code = await runCli(['render', '--config', config, ...argv], {
      out: (text) => void (stdout += text),
      err: (text) => void (err += text),
    });
    return { code, out: stdout, err };
  };
  const controller = (...argv: readonly string[]) =>
    run('--role', 'controller', '--out', out, '--hostname', 'master-1', ...argv);
  return { folder, config, out, state: join(folder, 'var'), run, controller };
}

const modeOf = (file: string): number => statSync(file).mode & 0o7777;

/** Every file below, with its content. */
function snapshot(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    names
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [
        file.slice(folder.length),
        `${modeOf(file)} ${statSync(file).mtimeMs} ${readFileSync(file, 'utf8')}`,
      ]),
  );
}

t.test(
  'files, units, keys and certificates land in the folder with their modes, and OpenSSL accepts them',
  async (t) => {
    const { out, state, controller } = await makeSite(t);
    await open(state);
    const { code, out: said } = await controller(
      '--parameter',
      'version=1.31',
      'replicas=3',
      'etcdDisk=/dev/sdb',
    );
    t.equal(code, 0);
    t.match(
      said,
      /controller for master-1 \(10\.77\.0\.10\)[\s\S]*private keys[\s\S]*no disk is wiped[\s\S]*called master-1[\s\S]*ada is not made/,
    );
    const at = (path: string) => join(out, path);
    t.equal(modeOf(out), 0o700);
    t.equal(modeOf(at('etc/kubernetes/pki/apiserver.key')), 0o600);
    t.equal(modeOf(at('etc/kubernetes/pki/sa.key')), 0o600);
    t.equal(modeOf(at('etc/kubernetes/pki/apiserver.crt')), 0o644);
    t.equal(readFileSync(at('etc/settings'), 'utf8'), '1.31 3 none /dev/sdb 10.77.0.10 file:///dev/null');
    t.equal(readFileSync(at('opt/packed'), 'utf8'), 'hello');
    t.equal(modeOf(at('opt/packed')), 0o750);
    if (notRoot === false) t.equal(statSync(at('opt/packed')).uid, 1, 'daemon');
    t.match(readFileSync(at('etc/systemd/system/one.service'), 'utf8'), '/bin/true');
    t.match(readFileSync(at('etc/systemd/system/two.service.d/10-a.conf'), 'utf8'), 'Nice=1');
    t.match(readFileSync(at('etc/systemd/network/10-lan.network'), 'utf8'), 'eth0');
    t.match(
      openssl('verify', '-CAfile', at('etc/kubernetes/pki/ca.crt'), at('etc/kubernetes/pki/apiserver.crt')),
      'OK',
    );
    t.match(
      openssl(
        'verify',
        '-CAfile',
        at('etc/kubernetes/pki/etcd/ca.crt'),
        at('etc/kubernetes/pki/etcd/peer.crt'),
      ),
      'OK',
    );
    const { subjectAltName } = new X509Certificate(readFileSync(at('etc/kubernetes/pki/apiserver.crt')));
    t.match(subjectAltName, /DNS:master-1[\s\S]*IP Address:10\.77\.0\.10/);
  },
);

t.test('run twice it changes nothing, not even a key; what is no more wanted goes', async (t) => {
  const { config: path, folder, out, state, controller } = await makeSite(t);
  await open(state);
  await controller();
  const before = snapshot(out);
  t.match(await controller(), { code: 0, out: /nothing was changed/ });
  t.same(snapshot(out), before);

  const template = join(folder, 'profiles/controller/cloud-config.yaml.hbs');
  writeFileSync(template, readFileSync(template, 'utf8').replace('path: /etc/settings', 'path: /etc/other'));
  t.match(await controller(), {
    code: 0,
    out: /[23] of them written, 1 old ones removed/,
  });
  t.notOk(existsSync(join(out, 'etc/settings')));
  t.ok(existsSync(join(out, 'etc/other')));

  const certificate = () => readFileSync(join(out, 'etc/kubernetes/pki/kubelet.crt'), 'utf8');
  const first = certificate();
  const { config } = await loadConfig(path);
  const { catalog } = await loadCatalog(config.paths.profiles, {
    generation: 1,
    checkRole: checkRoleTemplates,
  });
  if (catalog === undefined) throw new Error('no catalog');
  const at = (days: number) =>
    renderRole(config, catalog, {
      role: 'controller',
      out,
      hostname: 'master-1',
      parameters: [],
      force: false,
      clock: () => Date.now() + days * DAY,
    });
  await at(240);
  t.equal(certificate(), first);
  const { written } = await at(245);
  t.not(certificate(), first, 'less than a third of 365 days is left');
  t.ok(written.includes('/etc/kubernetes/pki/kubelet.key'));
  t.notOk(written.includes('/etc/kubernetes/pki/ca.crt'), 'that one has years');

  rmSync(join(state, 'pki'), { recursive: true });
  await open(state);
  t.match((await controller()).out, /of them written/, 'other authorities');
});

t.test('what the folder holds is not lost', async (t) => {
  const { out, state, controller } = await makeSite(t);
  await open(state);
  mkdirSync(join(out, 'etc'), { recursive: true });
  writeFileSync(join(out, 'mine'), 'x');
  t.match(await controller(), { code: 1, err: /out is not empty\n[\s\S]*--force/ });
  writeFileSync(join(out, 'etc/settings'), 'of somebody else');
  t.match(await controller('--force'), { code: 1, err: /etc\/settings: is there, and is not ours/ });
  t.same(readdirSync(join(out, 'etc')), ['settings'], 'nothing was written');
  rmSync(join(out, 'etc/settings'));
  t.match(await controller('--force'), { code: 0 });
  t.equal(readFileSync(join(out, 'mine'), 'utf8'), 'x');

  writeFileSync(join(out, 'etc/settings'), 'edited');
  t.match(await controller(), {
    code: 1,
    err: /etc\/settings: was edited since it was written[\s\S]*--force/,
  });
  t.equal(readFileSync(join(out, 'etc/settings'), 'utf8'), 'edited');
  t.match(await controller('--force'), { code: 0 });
  t.match(readFileSync(join(out, 'etc/settings'), 'utf8'), '1.30');
});

t.test('nothing is written through a link, and nothing outside of the folder', async (t) => {
  const { folder, out, state, controller } = await makeSite(t);
  await open(state);
  const outside = join(folder, 'outside');
  mkdirSync(outside);
  mkdirSync(out);
  symlinkSync(outside, join(out, 'etc'));
  t.match(await controller('--force'), { code: 1, err: /out\/etc is a link/ });
  t.same(readdirSync(outside), []);
  rmSync(join(out, 'etc'));
  mkdirSync(join(out, 'etc'));
  symlinkSync(join(outside, 'x'), join(out, 'etc/settings'));
  t.match(await controller('--force'), { code: 1, err: /etc\/settings is a link/ });
  t.same(readdirSync(outside), []);
  rmSync(out, { recursive: true });
  const template = join(folder, 'profiles/controller/cloud-config.yaml.hbs');
  const text = readFileSync(template, 'utf8');
  writeFileSync(template, text.replace('/etc/settings', '/etc/../../settings'));
  t.match(await controller(), { code: 1, err: /no absolute path of a file/ });
  t.notOk(existsSync(out));
});

t.test('a manifest that names files elsewhere removes none', async (t) => {
  const { folder, out, state, controller } = await makeSite(t);
  await open(state);
  await controller();
  const manifest = join(out, 'tinderbox-manifest.json');
  const { files, ...rest } = JSON.parse(readFileSync(manifest, 'utf8')) as { files: object[] };
  const evil = { path: '/../tinderbox.yaml', sha256: '0'.repeat(64) };
  writeFileSync(manifest, JSON.stringify({ ...rest, files: [...files, evil] }));
  t.match(await controller(), { code: 0 });
  t.ok(existsSync(join(folder, 'tinderbox.yaml')));
});

t.test(
  'the script installs below a folder with owners and modes, and keeps what it replaces',
  { skip: notRoot },
  async (t) => {
    const { folder, out, state, controller } = await makeSite(t);
    await open(state);
    await controller();
    const script = join(out, 'install.sh');
    execFileSync('sh', ['-n', script]);
    const shellcheck = spawnSync('shellcheck', [script], { encoding: 'utf8' });
    if (shellcheck.error === undefined) t.equal(shellcheck.stdout, '');
    const root = join(folder, 'root');
    mkdirSync(join(root, 'etc'), { recursive: true });
    writeFileSync(join(root, 'etc/settings'), 'before');
    const install = () => execFileSync(script, [root], { encoding: 'utf8' });
    t.match(install(), 'nothing was started');
    install();
    t.equal(modeOf(join(root, 'etc/kubernetes/pki/apiserver.key')), 0o600);
    t.equal(statSync(join(root, 'opt/packed')).uid, 1);
    t.equal(readFileSync(join(root, 'etc/settings.before-tinderbox'), 'utf8'), 'before');
    t.match(readFileSync(join(root, 'etc/settings'), 'utf8'), '1.30');
    t.notOk(existsSync(join(root, 'install.sh')));
    symlinkSync('/nowhere', join(root, 'etc/link'));
    rmSync(join(root, 'etc/settings'));
    symlinkSync('/nowhere', join(root, 'etc/settings'));
    t.not(spawnSync(script, [root]).status, 0, 'a link in the place of a file');
    const steps = readFileSync(script, 'utf8').split('daemon-reload\n')[1];
    t.equal(
      steps,
      'systemctl --no-block start one.service\nsystemctl enable two.service\nsystemctl mask three.service\nsystemctl enable tinderbox-role.service\n',
    );
    t.match(
      readFileSync(join(out, 'etc/systemd/system/tinderbox-role.service'), 'utf8'),
      /start one\.service\n\n\[Install\]/,
    );
  },
);

t.test('what a role speaks of but does not write is there all the same', async (t) => {
  const { out, state, run } = await makeSite(t);
  await open(state);
  t.match(await run('--role', 'worker', '--out', out, '--hostname', 'node-1', '--address', '10.77.0.20'), {
    code: 0,
  });
  const pki = join(out, 'etc/kubernetes/pki');
  t.same(readdirSync(pki).toSorted(), ['ca.crt', 'kubelet.crt', 'kubelet.key']);
  t.equal(modeOf(join(pki, 'kubelet.key')), 0o600);
  t.match(openssl('x509', '-noout', '-subject', '-in', join(pki, 'kubelet.crt')), /CN = system:node:node-1/);
});

t.test('no key is made for a folder that others may write to', async (t) => {
  const { out, state, run } = await makeSite(t);
  await open(state);
  mkdirSync(out);
  chmodSync(out, 0o777);
  t.match(await run('--role', 'worker', '--out', out, '--hostname', 'node-1', '--address', '10.77.0.20'), {
    code: 1,
    err: /may be written to by everybody[\s\S]*replace install\.sh/,
  });
  t.same(readdirSync(out), []);
});

t.test('a host that is not who the cluster knows is refused, and so is what makes no sense', async (t) => {
  const { out, state, run } = await makeSite(t);
  t.match(await run('--role', 'controller', '--out', out, '--hostname', 'master-1'), {
    code: 1,
    err: /no authorities[\s\S]*first start makes them/,
  });
  await open(state);
  const role = (name: string, ...argv: readonly string[]) => ['--role', name, '--out', out, ...argv];
  const rows: [readonly string[], 1 | 2, RegExp][] = [
    [
      role('controller', '--hostname', 'master-2'),
      1,
      /master-2 is not among the cluster's controllers: master-1 \(10\.77\.0\.10\)[\s\S]*cluster: \{ controllers/,
    ],
    [
      role('controller', '--hostname', 'master-1', '--address', '10.77.0.11'),
      2,
      /master-1 has the address 10\.77\.0\.10 in .*, not 10\.77\.0\.11/,
    ],
    [
      role('worker', '--hostname', 'master-1', '--address', '10.77.0.10'),
      1,
      /belongs to the API server or a controller/,
    ],
    [role('worker', '--hostname', 'node-1'), 2, /the address of node-1 is not known[\s\S]*--address/],
    [role('worker', '--hostname', 'no_de'), 2, /--hostname 'no_de': .*RFC 1123/],
    [role('worker', '--hostname', 'a.example'), 2, /no domain/],
    [role('worker', '--hostname', 'a', '--address', '10.77'), 2, /is not an IPv4 address/],
    [role('wroker'), 1, /there is no role wroker[\s\S]*worker/],
    [role('bare', '--hostname', 'a', '--address', '10.77.0.9'), 1, /role `bare` has no configuration/],
    [
      role('controller', '--hostname', 'master-1', '--parameter', 'versoin=1'),
      2,
      /has no parameter versoin[\s\S]*version/,
    ],
    [
      role('controller', '--hostname', 'master-1', '--parameter', 'replicas=many'),
      2,
      /the parameter replicas of role controller: expected a number; got "many"/,
    ],
    [role('controller', '--hostname', 'master-1', '--parameter', 'version'), 2, /is not name=value/],
    [role('controller', '--hostname', 'master-1', '--parameter', 'list=['), 2, /the value is not YAML/],
    [['52:54:00:12:34:56', ...role('worker')], 2, /a MAC and --role exclude each other/],
    [['--role', 'worker'], 2, /--role wants a folder/],
    [['--out', out], 2, /--out goes with --role/],
    [['52:54:00:12:34:56', '--force'], 2, /--force goes with --role/],
    [role('worker', '--only', 'config'), 2, /--only goes with a MAC/],
    [[], 2, /give the MAC of a machine, or a role/],
  ];
  for (const [argv, code, err] of rows) t.match(await run(...argv), { code, err }, argv.join(' '));
  t.notOk(existsSync(join(out, 'install.sh')));
});

t.test('a hostname that another machine boots with is refused, naming both', async (t) => {
  const { folder, out, state, run } = await makeSite(t);
  await open(state);
  const mac = '52:54:00:12:34:57';
  const machines = (rest: string) =>
    writeFileSync(join(folder, 'profiles/machines.yaml'), `machines:\n  "${rest}\n`);
  const render = () =>
    run('--role', 'worker', '--out', out, '--hostname', 'node-7', '--address', '10.77.0.27');
  for (const role of ['worker', 'controller', 'bare']) {
    machines(`${mac}": { role: ${role}, hostname: node-7, address: 10.77.0.27 }`);
    t.match(await render(), {
      code: 1,
      err: new RegExp(
        `the hostname node-7 belongs to ${mac} \\(.*machines.yaml:2\\), which Tinderbox boots as ${role}\\n.*--hostname NAME`,
      ),
    });
  }
  t.notOk(existsSync(out));
  mkdirSync(join(folder, 'profiles/local'));
  writeFileSync(join(folder, 'profiles/local/role.yaml'), 'boot: local\n');
  machines(`${mac}": { role: local, hostname: node-7, address: 10.77.0.27 }`);
  t.match(await render(), { code: 0 }, 'it boots its own disk: it is the host');
  rmSync(out, { recursive: true });
  const [own] = Object.values(networkInterfaces()).flatMap(
    (addresses) => addresses?.filter((one) => !one.internal).map((one) => one.mac) ?? [],
  );
  if (own === undefined) return;
  machines(`${own}": { role: worker, hostname: node-7, address: 10.77.0.27 }`);
  t.match(await render(), { code: 0 }, 'it is this host');
});

t.test('every role that ships and has a cloud-config renders for a host', async (t) => {
  const { folder, state, run } = await makeSite(t);
  await open(state);
  const shipped = join(import.meta.dirname, '../../profiles');
  rmSync(join(folder, 'profiles'), { recursive: true });
  cpSync(shipped, join(folder, 'profiles'), { recursive: true });
  const { config } = await loadConfig(join(folder, 'tinderbox.yaml'));
  const { catalog } = await loadCatalog(config.paths.profiles, {
    generation: 1,
    checkRole: checkRoleTemplates,
  });
  const roles = [...(catalog?.roles.values() ?? [])].filter((role) => role.config?.format === 'cloud-config');
  t.ok(roles.length > 0);
  for (const { name, identity } of roles) {
    const out = join(folder, `out-${name}`);
    const [hostname, address] =
      identity === 'controller' || identity === 'etcd' ? MEMBER : (['node-9', '10.77.0.19'] as const);
    const again = () => run('--role', name, '--out', out, '--hostname', hostname, '--address', address);
    const { code, err } = await again();
    t.same([code, err], [0, ''], name);
    t.match((await again()).out, /nothing was changed/, name);
    const files = snapshot(out);
    const keys = Object.entries(files).filter(([, text]) =>
      /-----BEGIN (RSA |EC )?PRIVATE KEY-----/.test(text),
    );
    for (const [file] of keys) t.equal(modeOf(join(out, file)) & 0o077, 0, `${name}: ${file}`);
    const shellcheck = spawnSync('shellcheck', [join(out, 'install.sh')], { encoding: 'utf8' });
    if (shellcheck.error === undefined) t.equal(shellcheck.stdout, '', name);
  }
});

t.test(
  'flannel is a pod or a service of a host, and going back leaves nothing of it in the folder',
  async (t) => {
    const { folder, out, state, controller } = await makeSite(t);
    await open(state);
    rmSync(join(folder, 'profiles'), { recursive: true });
    cpSync(join(import.meta.dirname, '../../profiles'), join(folder, 'profiles'), { recursive: true });
    const mine = () =>
      Object.keys(snapshot(out))
        .filter((file) => /flannel/.test(file) && !file.startsWith('/etc/kubernetes/addons/'))
        .toSorted();
    const installs = () => readFileSync(join(out, 'install.sh'), 'utf8');

    t.match(await controller(), { code: 0, err: '' });
    t.same(mine(), []);
    t.notMatch(installs(), /flannel\.service|flanneld/);

    t.match(await controller('--parameter', 'flannelRuns=service'), { code: 0, err: '' });
    t.same(mine(), [
      '/etc/cni/net.d/10-flannel.conflist',
      '/etc/kube-flannel/net-conf.json',
      '/etc/systemd/system/flanneld.service',
      '/etc/systemd/system/tinderbox-flannel.service',
      '/etc/systemd/system/tinderbox-start-flannel.service',
      '/opt/tinderbox/fetch-flannel',
    ]);
    const unit = readFileSync(join(out, 'etc/systemd/system/flanneld.service'), 'utf8');
    t.match(unit, /--iface=10\.77\.0\.10 /);
    t.notMatch(unit, /tinderbox-identity/, 'its keys are in the folder');
    t.equal(modeOf(join(out, 'etc/kubernetes/admin.conf')), 0o600);
    t.match(installs(), /^systemctl --no-block start tinderbox-start-flannel\.service$/m);
    t.match(
      readFileSync(join(out, 'etc/systemd/system/tinderbox-role.service'), 'utf8'),
      /start tinderbox-start-flannel\.service\n/,
    );
    t.match(await controller('--parameter', 'flannelRuns=service'), { out: /nothing was changed/ });

    t.match(await controller(), { code: 0, err: '' });
    t.same(mine(), []);
  },
);
