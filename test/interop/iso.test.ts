import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { runCli } from '../../src/cli/program.ts';
import { loadConfig } from '../../src/config/load.ts';
import { checkRenderedCloudConfig } from '../../src/render/render-cloud-config.ts';
import { makeFolder, open, openssl } from '../pki/support/make-cluster.ts';

const hasXorriso = spawnSync('xorriso', ['-version']).status === 0;
const skip = hasXorriso ? false : 'xorriso is not installed';
const MAC = '52:54:00:12:34:56';
const DAY = 24 * 60 * 60 * 1000;

const CONFIG = `#cloud-config
hostname: {{machine.hostname}}
write_files:
{{#each identity.authorities as |one|}}
  - { path: {{one.file}}, content: {{json one.certificate}} }
{{/each}}
{{#each identity.certificates as |one|}}
{{#if one.key}}
  - { path: {{one.certificateFile}}, content: {{json one.certificate}} }
  - { path: {{one.keyFile}}, permissions: "0600", content: {{json one.key}} }
{{else}}
  - { path: /opt/ask-{{one.name}}, content: {{quote one.url}} }
{{/if}}
{{/each}}
{{#if identity.serviceAccounts.privateKey}}
  - { path: {{identity.serviceAccounts.privateKeyFile}}, permissions: "0600", content: {{json identity.serviceAccounts.privateKey}} }
{{/if}}
  - { path: /etc/report, content: {{quote reportUrl}} }
`;

const role = (identity: string, more = ''): string => `description: A machine
identity: ${identity}
boot: { kernel: /assets/vmlinuz, cmdline: [quiet] }
config: { format: cloud-config, template: cloud-config.yaml.hbs }
${more}`;

function makeSite(t: { teardown(then: () => void): void }) {
  const folder = makeFolder(t);
  const files = {
    'tinderbox.yaml':
      'network: { interface: nowhere0 }\ncluster: { name: lab, apiServer: "https://k8s.example.org:6443", ' +
      'controllers: [{ hostname: master-0, address: 10.77.0.9 }] }\n',
    'profiles/worker/role.yaml': role('worker'),
    'profiles/controller/role.yaml': role('controller'),
    'profiles/old/role.yaml': role(
      'worker',
      'credentials: { delivery: issued, layout: coreos, nodeName: address }\n',
    ),
    'profiles/plain/role.yaml': role('none'),
    ...Object.fromEntries(
      ['worker', 'controller', 'old', 'plain'].map((name) => [
        `profiles/${name}/cloud-config.yaml.hbs`,
        CONFIG,
      ]),
    ),
    'profiles/machines.yaml': `default: none
machines:
  "${MAC}": { role: worker, hostname: node-1, address: 10.77.0.20 }
  "52:54:00:12:34:57": { role: controller, hostname: master-1, address: 10.77.0.10 }
  "52:54:00:12:34:58": { role: old, hostname: old-1, address: 10.77.0.21 }
  "52:54:00:12:34:59": { role: plain, hostname: plain-1 }
  "52:54:00:12:34:60": { role: local, hostname: disk-1 }
  "52:54:00:12:34:61": { role: hold }
`,
    'profiles/local/role.yaml': 'boot: local\n',
    'profiles/hold/role.yaml': 'boot: hold\n',
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const config = join(folder, 'tinderbox.yaml');
  const run = async (...argv: readonly string[]) => {
    let out = '';
    let err = '';
    const code = await runCli(['iso', '--config', config, ...argv], {
      out: (text) => void (out += text),
      err: (text) => void (err += text),
    });
    return { code, out, err };
  };
  return { folder, config, state: join(folder, 'var'), iso: join(folder, 'node.iso'), run };
}

/** What is on an image, unpacked without mounting it. */
function unpack(iso: string, to: string): string {
  rmSync(to, { recursive: true, force: true });
  execFileSync('xorriso', ['-osirrox', 'on', '-indev', iso, '-extract', '/', to], { stdio: 'pipe' });
  const text = readFileSync(join(to, 'openstack/latest/user_data'), 'utf8');
  if (checkRenderedCloudConfig(text, 'user_data').length > 0) throw new Error('no sound cloud-config');
  return text;
}

const at = (days: number): string => String(Math.floor(Date.now() / 1000) + days * 86_400);

interface CloudConfig {
  readonly write_files: readonly { path: string; content: string }[];
}

const contentOf = (text: string, path: string): string =>
  (parse(text) as CloudConfig).write_files.find((file) => file.path === path)?.content ?? '';

/** What the daemon of nobody lists: no machine was seen, no rule has admitted one. */
const EMPTY_LISTS: Readonly<Record<string, object>> = {
  '/api/v1/machines': { machines: [] },
  '/api/v1/admissions': { admissions: [], onceUses: [] },
};

/** Answers on the admin socket as the daemon would, with one token for each machine. */
async function startTokens(t: { teardown(then: () => unknown): void }, config: string) {
  const { admin } = (await loadConfig(config)).config;
  const asked: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      response.setHeader('content-type', 'application/json');
      if (request.method === 'GET') {
        return response.end(JSON.stringify(EMPTY_LISTS[request.url?.split('?')[0] ?? ''] ?? {}));
      }
      asked.push(`${request.url} ${body}`);
      response.end(
        JSON.stringify({
          url: `http://10.77.0.1/boot/${asked.length}-TOKEN`,
          expiresAt: Date.now() + 7 * DAY,
        }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(admin.socket, resolve));
  t.teardown(() => server.close());
  return asked;
}

t.test('coreos-cloudinit finds the configuration, and the machine a place to ask at', { skip }, async (t) => {
  const { folder, config, state, iso, run } = makeSite(t);
  await open(state);
  const asked = await startTokens(t, config);
  const { code, out } = await run(MAC, '--out', iso);
  t.equal(code, 0);
  t.match(
    out,
    /node-1 \(52:54:00:12:34:56\), role worker\.\nThis ISO holds a signing token, good until \d{4}/,
  );
  t.notMatch(out, /private keys|TOKEN/);
  t.same(asked, [`/api/v1/machines/${MAC}/signing-token {"days":7}`]);
  t.equal(statSync(iso).mode & 0o777, 0o600);

  const info = execFileSync('xorriso', ['-indev', iso, '-pvd_info'], { encoding: 'utf8', stdio: 'pipe' });
  t.match(info, /Volume Id {4}: config-2\n/);
  const found = execFileSync('xorriso', ['-indev', iso, '-find', '/', '-exec', 'lsdl'], {
    encoding: 'utf8',
    stdio: 'pipe',
  });
  t.match(
    found,
    /-rw-r--r-- .* 0 +0 .*'\/openstack\/latest\/user_data'/,
    'Rock Ridge: lower case, and whose',
  );
  t.equal(
    found.match(/Jan {2}1 {2}2000 /g)?.length,
    5,
    'every file and folder: no time of today is in the image',
  );
  const text = unpack(iso, join(folder, 'unpacked'));
  t.equal(contentOf(text, '/opt/ask-node'), 'http://10.77.0.1/boot/1-TOKEN/csr?name=node');
  t.equal(contentOf(text, '/etc/report'), 'http://10.77.0.1/boot/1-TOKEN/report');
  t.match(contentOf(text, '/etc/kubernetes/pki/ca.crt'), /^-----BEGIN CERTIFICATE/);
  t.notMatch(text, /PRIVATE KEY/);
  t.match(JSON.parse(readFileSync(join(folder, 'unpacked/openstack/latest/meta_data.json'), 'utf8')), {
    hostname: 'node-1',
    uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
    meta: { role: 'worker', mac: MAC },
  });
  t.same(
    readdirSync(folder).filter((name) => name.startsWith('.')),
    [],
    'nothing is left behind',
  );
});

t.test('with --key-days the keys are on it, said aloud, and valid for no longer', { skip }, async (t) => {
  const { folder, state, iso, run } = makeSite(t);
  await open(state);
  const { code, out } = await run(MAC, '--out', iso, '--key-days', '3');
  t.equal(code, 0);
  t.match(out, /This ISO holds private keys, valid until \d{4}/);
  t.equal(statSync(iso).mode & 0o777, 0o600);
  const text = unpack(iso, join(folder, 'unpacked'));
  t.equal(contentOf(text, '/etc/report'), 'file:///dev/null');
  for (const [name, path] of [
    ['ca.crt', '/etc/kubernetes/pki/ca.crt'],
    ['node.crt', '/etc/kubernetes/pki/kubelet.crt'],
    ['node.key', '/etc/kubernetes/pki/kubelet.key'],
  ] as const) {
    writeFileSync(join(folder, name), contentOf(text, path));
  }
  const verify = (days: number) =>
    spawnSync('openssl', [
      'verify',
      '-attime',
      at(days),
      '-CAfile',
      join(folder, 'ca.crt'),
      join(folder, 'node.crt'),
    ]);
  t.equal(verify(2.9).status, 0);
  t.not(verify(3.1).status, 0);
  t.equal(
    openssl('pkey', '-in', join(folder, 'node.key'), '-pubout'),
    openssl('x509', '-in', join(folder, 'node.crt'), '-noout', '-pubkey'),
  );
});

t.test(
  'a controller gets the shared key either way, and a role of issued keys wants a number of days',
  { skip },
  async (t) => {
    const { folder, config, state, iso, run } = makeSite(t);
    await open(state);
    t.match(await run('52:54:00:12:34:58', '--out', iso), {
      code: 1,
      err: /role old make no keys of their own\n.*--key-days/,
    });
    t.notOk(existsSync(iso));
    t.match(await run('52:54:00:12:34:58', '--out', iso, '--key-days', '3'), {
      code: 0,
      out: /private keys/,
    });
    t.match(unpack(iso, join(folder, 'unpacked')), /ssl\/worker-key\.pem/);
    await startTokens(t, config);
    const { out } = await run('52:54:00:12:34:57', '--out', iso);
    t.match(out, /private keys: [\s\S]*signing token[\s\S]*service accounts[\s\S]*does not expire/);
  },
);

t.test(
  'without a daemon there is no token, and a role without an identity needs none',
  { skip },
  async (t) => {
    const { folder, state, iso, run } = makeSite(t);
    await open(state);
    t.match(await run(MAC, '--out', iso), {
      code: 1,
      err: /not running, and it makes the token\n.*--key-days/,
    });
    t.notOk(existsSync(iso));
    t.match(await run('52:54:00:12:34:59', '--out', iso), { code: 0, out: /plain-1 .*, role plain\.\n$/ });
    const first = readFileSync(iso);
    await run('52:54:00:12:34:59', '--out', iso);
    t.ok(readFileSync(iso).equals(first), 'the same configuration is the same image');
    unpack(iso, join(folder, 'unpacked'));
  },
);

t.test('an image that was unpacked and edited becomes an image again', { skip }, async (t) => {
  const { folder, iso, run } = makeSite(t);
  await run('52:54:00:12:34:59', '--out', iso);
  const from = join(folder, 'unpacked');
  const text = unpack(iso, from);
  const again = join(folder, 'again.iso');
  t.match(await run('--from', from, '--out', again), { code: 0, out: /again\.iso: made from/ });
  t.ok(readFileSync(again).equals(readFileSync(iso)));
  const userData = join(from, 'openstack/latest/user_data');
  appendFileSync(userData, 'ssh_authorized_keys: [ssh-ed25519 AAAA]\n');
  writeFileSync(join(from, 'openstack/latest/blob'), Buffer.from([0, 255, 254]));
  t.match(await run('--from', from, '--out', again), { code: 0 });
  t.match(unpack(again, join(folder, 'second')), 'ssh-ed25519 AAAA');
  t.same(readFileSync(join(folder, 'second/openstack/latest/blob')), Buffer.from([0, 255, 254]));

  const before = readFileSync(again);
  const rows: [string, () => void, RegExp][] = [
    [
      'an unknown key',
      () => appendFileSync(userData, 'packages: [vim]\n'),
      /no sound cloud-config[\s\S]*user_data.*packages/,
    ],
    [
      'another first line',
      () => writeFileSync(userData, text.replace('#cloud-config', '#')),
      /#cloud-config/,
    ],
    ['a link', () => symlinkSync('/etc/passwd', join(from, 'link')), /link is no regular file/],
    [
      'no user_data',
      () => rmSync(userData),
      /there is no .*user_data\n +Give the folder that an image was unpacked to/,
    ],
    [
      'no folder',
      () => rmSync(from, { recursive: true }),
      /^tinderbox: there is no folder \S+\n +Give the folder that an image was unpacked to/,
    ],
    ['a file', () => writeFileSync(from, ''), /is no folder\n +Give the folder/],
  ];
  for (const [what, edit, error] of rows) {
    edit();
    t.match(await run('--from', from, '--out', again), { code: 1, err: error }, what);
    if (what === 'a link') rmSync(join(from, 'link'));
    if (existsSync(userData)) writeFileSync(userData, text);
  }
  t.ok(readFileSync(again).equals(before), 'untouched');
});

t.test('one for every machine, and who cannot have one does not stop the others', { skip }, async (t) => {
  const { folder, config, state, run } = makeSite(t);
  await open(state);
  await startTokens(t, config);
  const all = join(folder, 'images');
  const { code, out, err } = await run('--all', all);
  t.equal(code, 1);
  t.match(err, /52:54:00:12:34:58: tinderbox: machines of role old make no keys/);
  t.match(out, /node-1[\s\S]*master-1[\s\S]*plain-1/);
  t.same(readdirSync(all).toSorted(), ['master-1.iso', 'node-1.iso', 'plain-1.iso']);
  const json = await run('--all', all, '--key-days', '5', '--json');
  t.equal(json.code, 0);
  t.match(JSON.parse(json.out), {
    made: { length: 4 },
    skipped: [
      { mac: '52:54:00:12:34:60', role: 'local' },
      { mac: '52:54:00:12:34:61', role: 'hold' },
    ],
    failed: [],
  });
  t.match(json.err, /52:54:00:12:34:61: skipped, role hold has no configuration to put on an image/);
  t.notMatch(json.out, /BEGIN|TOKEN/);
});

t.test('what is no file is not written over', { skip }, async (t) => {
  const { folder, run } = makeSite(t);
  t.match(await run('52:54:00:12:34:59', '--out', '/dev/null'), {
    code: 1,
    err: /\/dev\/null is no regular file/,
  });
  t.match(await run('52:54:00:12:34:59', '--out', folder), { code: 1, err: /is no regular file/ });
  t.match(await run('52:54:00:12:34:59', '--out', join(folder, 'tinderbox.yaml/x')), {
    code: 1,
    err: /cannot be written/,
  });
});

t.test('where xorriso is missing, its package is named, and nothing is left behind', { skip }, async (t) => {
  const { folder, config, iso } = makeSite(t);
  const programs = join(folder, 'bin');
  mkdirSync(programs);
  symlinkSync('/usr/bin/env', join(programs, 'env'));
  const main = join(import.meta.dirname, '../../src/main.ts');
  const { status, stderr } = spawnSync(
    process.execPath,
    [main, 'iso', '52:54:00:12:34:59', '--config', config, '--out', iso],
    { encoding: 'utf8', env: { ...process.env, PATH: programs } },
  );
  t.equal(status, 1);
  t.match(stderr, /xorriso is not installed\n.*apt-get install xorriso/);
  t.same(
    readdirSync(folder).filter((name) => /iso/.test(name)),
    [],
  );
});

t.test('wrong usage', async (t) => {
  const { run } = makeSite(t);
  const rows: [string[], RegExp][] = [
    [[], /give one of: a MAC, --all FOLDER, --from FOLDER/],
    [[MAC, '--all', 'x'], /give one of/],
    [['--from', 'x'], /--from wants the image too/],
    [['--all', 'x', '--out', 'y'], /names the images itself/],
    [['--from', 'x', '--out', 'y', '--key-days', '3'], /takes the configuration as it is/],
    [[MAC, '--key-days', '3', '--token-days', '3'], /exclude each other/],
    [[MAC, '--key-days', '400'], /from 1 to 365/],
    [[MAC, '--token-days', '31'], /at most 30/],
    [['machine'], /is not a MAC address/],
  ];
  for (const [argv, err] of rows) t.match(await run(...argv), { code: 2, err }, argv.join(' '));
});
