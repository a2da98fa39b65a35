import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import {
  addAddress,
  addBridge,
  addVethPair,
  createNamespace,
  joinBridge,
  stopProcess,
} from '../../src/lab/namespace.ts';
import { runProgram } from '../../src/lab/run-program.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import { exportKey } from '../../src/pki/authority-files.ts';
import { makeAuthority } from '../../src/pki/make-authority.ts';
import type { Authorities } from '../../src/pki/port.ts';
import {
  CONTROLLER,
  entitlement,
  makeFolder,
  makeForeignAuthority,
  makeRequest,
  open,
  openssl,
  smallKeys,
} from '../pki/support/make-cluster.ts';
import { ip } from '../support/make-environment.ts';
import { askScript, curl } from './support/curl.ts';
import { CONFIG, createSite, ROLE, type Site, waitUntil } from './support/daemon-site.ts';

const namespace = await createNamespace('certificates');
const machine = await createNamespace('machine');
t.teardown(() => Promise.all([machine[Symbol.asyncDispose](), namespace[Symbol.asyncDispose]()]));
await addBridge(namespace, 'br0', '10.77.0.1/24');
await addVethPair({ namespace, name: 'port0' }, { namespace: machine, name: 'eth0' });
await joinBridge(namespace, 'port0', 'br0');
await addAddress(machine, 'eth0', '10.77.0.50/24');
await addAddress(machine, 'eth0', '10.77.0.51/24');
// Small, so that a reader that stands still is one after some kilobytes.
await namespace.run(['sh', '-c', 'echo 4096 8192 8192 > /proc/sys/net/ipv4/tcp_wmem']);
await machine.run(['sh', '-c', 'echo 4096 8192 8192 > /proc/sys/net/ipv4/tcp_rmem']);

const MAC = '52:54:00:12:34:56';
/** The address that a machine of the profiles has first. */
const FIRST = ['--interface', '10.77.0.50'];
const OTHER = '52:54:00:12:34:57';
const CLUSTER = `${CONFIG}cluster: { apiServer: 'https://10.77.0.1:6443' }\n`;
const MACHINES = `machines:
  ${MAC}: { role: worker, hostname: node-1, address: 10.77.0.50 }
default: worker
`;
const FILES = {
  'tinderbox.yaml': CLUSTER,
  'profiles/machines.yaml': MACHINES,
  'profiles/worker/role.yaml': `${ROLE}identity: worker\n`,
  'profiles/worker/cloud-config.yaml.hbs': `#cloud-config
hostname: {{machine.hostname}}
write_files:
{{#each identity.certificates}}
  - path: {{keyFile}}
    content: {{quote key}}
  - path: {{certificateFile}}
    content: {{quote certificate}}
{{/each}}
{{#each identity.authorities}}
  - path: {{file}}
    content: {{quote certificate}}
{{/each}}
  - path: /etc/padding
    content: ${'x'.repeat(200_000)}
`,
};
const ISSUED = {
  ...FILES,
  'profiles/worker/role.yaml': `${ROLE}identity: worker\ncredentials: { delivery: issued }\n`,
};

const folder = makeFolder(t);
let made = 0;

/** A request as a guest makes it, in a file for curl. */
function writeRequest(options: Parameters<typeof makeRequest>[1] = {}): { file: string; key: string } {
  const { pem, key } = makeRequest(folder, options);
  const file = join(folder, `${++made}.csr`);
  writeFileSync(file, pem);
  return { file, key };
}

function post(session: string, name: string, file: string, from = '10.77.0.50') {
  return curl(machine, `${session}/csr?name=${name}`, '--interface', from, '--data-binary', `@${file}`);
}

/** Authorities that were made before, with keys that are made in no time. */
async function makeAuthorities(site: Site): Promise<Authorities> {
  mkdirSync(join(site.folder, 'var'), { mode: 0o700 });
  return open(join(site.folder, 'var'));
}

async function createClusterSite(files: Record<string, string> = FILES): Promise<Site> {
  const site = await createSite(namespace, files);
  await makeAuthorities(site);
  return site;
}

async function eventsOf(site: Site, mac = MAC): Promise<readonly BootEvent[]> {
  const { stdout } = await site.run('machines', mac, '--json');
  return (JSON.parse(stdout) as { events: readonly BootEvent[] }).events;
}

/** The cloud-config's file of this path. */
function fileOf(config: string, path: string): string {
  const at = config.split('\n').findIndex((line) => line.endsWith(`path: ${path}`));
  const [, quoted = '""'] = /content: (".*")$/.exec(config.split('\n')[at + 1] ?? '') ?? [];
  return JSON.parse(quoted) as string;
}

await t.test(
  'the first start with a cluster makes its authorities; without one nothing is made',
  async (t) => {
    await using site = await createSite(namespace, { ...FILES, 'tinderbox.yaml': CONFIG });
    const pki = join(site.folder, 'var/pki');
    const before = await site.serve();
    t.notOk(existsSync(pki));
    t.notMatch(before.log(), /authorit/);
    const { session } = await askScript(machine, MAC);
    const none = await post(session, 'node', writeRequest().file);
    t.match(none, { status: 404, body: /has no cluster/ });
    const token = await curl(
      namespace,
      `http://tinderbox/api/v1/machines/${MAC}/signing-token`,
      '--unix-socket',
      join(site.folder, 'var/admin.sock'),
      '--json',
      '{"days":1}',
    );
    t.match(token, { status: 403, body: /has no cluster/ });
    before.signal('SIGTERM');
    await before.ended;

    await site.write({ 'tinderbox.yaml': CLUSTER });
    t.match(await site.run('ca', 'show'), { code: 1, stderr: /no authorities in .* yet/ });
    const daemon = await site.serve();
    const said = daemon.lines().map(({ msg }) => msg);
    t.ok(said.indexOf("making the cluster's authorities") < said.indexOf('ready'));
    t.equal(statSync(pki).mode & 0o777, 0o700);
    for (const name of ['kubernetes', 'etcd', 'front-proxy', 'service-accounts']) {
      t.equal(statSync(join(pki, `${name}.pem`)).mode & 0o777, 0o600);
    }
    const shown = await site.run('ca', 'show', '--json');
    t.match(JSON.parse(shown.stdout), [{ name: 'kubernetes', key: 'EC P-256' }, { name: 'etcd' }, {}]);
    t.match(await site.run('ca', 'rotate-plan'), { code: 0 });
    const text = readFileSync(join(pki, 'kubernetes.pem'), 'utf8');
    daemon.signal('SIGKILL');
    await daemon.ended;
    await site.serve();
    t.equal(readFileSync(join(pki, 'kubernetes.pem'), 'utf8'), text, 'the next start makes none anew');
  },
);

await t.test('a machine makes a key, and joins with the certificate that it is given', async (t) => {
  await using site = await createClusterSite();
  const daemon = await site.serve();
  const { session, script } = await askScript(machine, MAC);
  t.notMatch(script, /PRIVATE/);
  const config = await curl(machine, `${session}/cloud-config`);
  t.equal(config.status, 200);
  t.notMatch(config.body, /PRIVATE/);
  const trusted = join(folder, 'trusted.crt');
  writeFileSync(trusted, fileOf(config.body, '/etc/kubernetes/pki/ca.crt'));

  const mine = writeRequest({
    subject: '/O=system:nodes/CN=system:node:node-1',
    names: 'DNS:node-1,IP:10.77.0.50',
  });
  const given = await post(session, 'node', mine.file);
  t.equal(given.status, 200, given.body);
  const certificate = join(folder, 'node.crt');
  writeFileSync(certificate, given.body);
  for (const purpose of ['sslclient', 'sslserver']) {
    t.match(openssl('verify', '-CAfile', trusted, '-purpose', purpose, certificate), /: OK/);
  }
  const text = openssl('x509', '-in', certificate, '-noout', '-text');
  t.match(text, /Subject: O ?= ?system:nodes, CN ?= ?system:node:node-1/);
  t.match(text, /DNS:node-1, IP Address:10\.77\.0\.50/);
  t.equal(
    openssl('x509', '-in', certificate, '-noout', '-pubkey'),
    openssl('pkey', '-in', mine.key, '-pubout'),
  );

  const wrong = writeRequest({ subject: '/O=system:nodes/CN=system:node:master-1' });
  t.match(await post(session, 'kube-proxy', wrong.file), { status: 403, body: /asks for more/ });
  t.match(await post(session, 'administrator', wrong.file), { status: 403, body: /not entitled/ });
  t.match(await post(session, 'node', writeRequest().file), { status: 403, body: /for another key/ });
  t.match((await eventsOf(site)).slice(-2), [
    { kind: 'security.alarm', outcome: 'noted', answered: /second key/ },
    { kind: 'http.csr', outcome: 'refused', answered: '403' },
  ]);

  // However it ends, what was given is on disk.
  daemon.signal('SIGKILL');
  await daemon.ended;
  const next = await site.serve();
  t.match(await post(session, 'node', writeRequest().file), { status: 403, body: /for another key/ });
  t.match(await post(session, 'node', mine.file), { status: 200 }, 'the first key gets one again');
  const record = JSON.stringify(await eventsOf(site)) + daemon.log() + next.log();
  t.notMatch(record, /PRIVATE|BEGIN/);
  t.notMatch(record, session.split('/').at(-1));
  t.match(next.log(), /"level":40.*second key/);
});

/** The path of a file with this text. */
function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

await t.test('a machine becomes ready through the Node that it creates with its certificate', async (t) => {
  await using site = await createSite(namespace, FILES);
  const authorities = await makeAuthorities(site);
  const server = entitlement('kube-apiserver', { ...CONTROLLER, addresses: [ip('10.77.0.1')] });
  const { certificatePem, keyPem } = await authorities.issue(server);
  const ca = write('cluster.crt', authorities.trustOf('kubernetes'));
  const api = namespace.spawn([
    process.execPath,
    fileURLToPath(new URL('../support/api-server.ts', import.meta.url)),
    '--listen=10.77.0.1:6443',
    `--ca=${ca}`,
    `--certificate=${write('api.crt', certificatePem)}`,
    `--key=${write('api.key', keyPem)}`,
  ]);
  t.teardown(() => stopProcess(api));
  await site.serve();
  const { session } = await askScript(machine, MAC);
  await curl(machine, `${session}/cloud-config`);
  const { file: request, key } = writeRequest();
  const certificate = write('joins.crt', (await post(session, 'node', request)).body);
  t.equal((await curl(machine, `${session}/report`, '--data', 'stage=booted')).status, 200);
  const body = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node-1' },
    status: { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { bootID: 'b1' } },
  });
  const mutual = ['--cacert', ca, '--cert', certificate, '--key', key, '--json', body];
  await waitUntil('the API server takes the Node', async () => {
    const { status } = await curl(machine, 'https://10.77.0.1:6443/api/v1/nodes', ...mutual);
    return status === 201 || status === 409;
  });
  await waitUntil('the session is ready', async () =>
    (await eventsOf(site)).some(({ kind, stage }) => kind === 'node.ready' && stage === 'ready'),
  );
  t.match((await site.run('machines', MAC)).stdout, /Node node-1 is Ready/);
});

await t.test('killed at once after its answer, the daemon still knows whom it gave what', async (t) => {
  await using site = await createClusterSite();
  for (let round = 0; round < 3; round++) {
    const daemon = await site.serve();
    const { session } = await askScript(machine, MAC);
    await curl(machine, `${session}/cloud-config`);
    const given = await post(session, 'node', writeRequest().file);
    daemon.signal('SIGKILL');
    await daemon.ended;
    t.equal(given.status, 200);
    const next = await site.serve();
    t.equal((await post(session, 'node', writeRequest().file)).status, 403);
    next.signal('SIGKILL');
    await next.ended;
  }
});

await t.test('issued keys are released once: a slow reader resumes, a second is refused', async (t) => {
  await using site = await createClusterSite(ISSUED);
  const daemon = await site.serve();
  const { session, script } = await askScript(machine, MAC);
  t.notMatch(script, /PRIVATE/);
  t.match(await post(session, 'node', writeRequest().file), { status: 403, body: /issued with its conf/ });
  t.equal((await curl(machine, `${session}/cloud-config`, '--head')).status, 404, 'HEAD gets nothing');

  // A reader that stands still after some of it, and is killed.
  const file = join(folder, 'begun');
  const path = new URL(`${session}/cloud-config`).pathname;
  const script20k = `exec 3<>/dev/tcp/10.77.0.1/80; printf 'GET ${path} HTTP/1.1\\r\\nHost: t\\r\\n\\r\\n' >&3
    head -c 20000 <&3 >${file}.part; mv ${file}.part ${file}; exec sleep infinity`;
  const reader = machine.spawn(['bash', '-c', script20k]);
  await waitUntil('it has read some', () => existsSync(file));
  const other = await curl(machine, `${session}/cloud-config`, '--interface', '10.77.0.51');
  t.match(other, { status: 403, body: /to another address/ });
  t.notMatch(other.body, /#cloud-config/);
  await stopProcess(reader);
  await waitUntil('that is noticed', async () =>
    (await eventsOf(site)).some(({ answered }) => answered === 'the connection was lost'),
  );
  const begun = readFileSync(file, 'latin1').split('\r\n\r\n').slice(1).join('\r\n\r\n');
  const rest = await curl(machine, `${session}/cloud-config`, ...FIRST, '--range', `${begun.length}-`);
  t.equal(rest.status, 206);
  const config = begun + rest.body;
  t.ok(config.length > 200_000);

  for (const [name, value] of [
    ['ca', 'ca.crt'],
    ['crt', 'kubelet.crt'],
    ['key', 'kubelet.key'],
  ] as const) {
    writeFileSync(join(folder, `issued.${name}`), fileOf(config, `/etc/kubernetes/pki/${value}`));
  }
  t.match(openssl('verify', '-CAfile', join(folder, 'issued.ca'), join(folder, 'issued.crt')), /: OK/);
  t.equal(
    openssl('x509', '-in', join(folder, 'issued.crt'), '-noout', '-pubkey'),
    openssl('pkey', '-in', join(folder, 'issued.key'), '-pubout'),
  );

  const second = await curl(machine, `${session}/cloud-config`, ...FIRST);
  t.match(second, { status: 410, body: /not given again/ });
  const alarms = (await eventsOf(site)).filter(({ kind }) => kind === 'security.alarm');
  t.match(alarms, [{ answered: /by a second address/ }, { answered: /asked for again/ }]);
  t.match((await site.run('machines', MAC)).stdout, /asked for again; it was refused/);
  daemon.signal('SIGKILL');
  await daemon.ended;
  const next = await site.serve();
  t.equal((await curl(machine, `${session}/cloud-config`, ...FIRST)).status, 410);
  const again = await askScript(machine, MAC);
  t.equal((await curl(machine, `${again.session}/cloud-config`, ...FIRST)).status, 200);

  const secret = fileOf(config, '/etc/kubernetes/pki/kubelet.key').split('\n')[2] ?? '';
  t.ok(secret.length > 60);
  const kept = ['tinderbox.db', 'tinderbox.db-wal'].map((name) =>
    existsSync(join(site.folder, 'var', name)) ? readFileSync(join(site.folder, 'var', name), 'latin1') : '',
  );
  t.notOk(`${kept.join('')}${daemon.log()}${next.log()}`.includes(secret), 'the key is nowhere on this host');
  const preview = await site.run('render', MAC);
  t.match(preview.stdout, /SAMPLE/);
  t.notMatch(preview.stdout, /MII[A-Za-z0-9]/);
});

await t.test('on a full disk nothing is given out, and all of it once there is room', async (t) => {
  for (const files of [FILES, ISSUED]) {
    await using site = await createSite(namespace, files);
    const state = join(site.folder, 'var');
    mkdirSync(state, { mode: 0o700 });
    await runProgram(['mount', '-t', 'tmpfs', '-o', 'size=2m,mode=0700', 'none', state]);
    try {
      await open(state);
      const daemon = await site.serve();
      const { session } = await askScript(machine, MAC);
      await eventsOf(site);
      const ask = async (): Promise<number> => {
        if (files === ISSUED) return (await curl(machine, `${session}/cloud-config`, ...FIRST)).status;
        return (await post(session, 'node', mine.file)).status;
      };
      const mine = writeRequest();
      const filler = join(state, 'filler');
      // tmpfs gives out whole pages: the last one is not enough for a transaction.
      const { bavail, bsize } = statfsSync(state);
      writeFileSync(filler, Buffer.alloc(bavail * bsize));
      t.equal(await ask(), 503);
      t.equal(await ask(), 503);
      t.match(daemon.log(), /the disk is full|writing .* failed/);
      rmSync(filler);
      t.equal(await ask(), 200, 'nothing was half done');
      await waitUntil('the timeline tells of it', async () =>
        (await eventsOf(site)).some(({ outcome, answered }) => outcome === 'failed' && answered === '503'),
      );
      daemon.signal('SIGTERM');
      await daemon.ended;
    } finally {
      await runProgram(['umount', '--lazy', state]);
    }
  }
});

await t.test('a machine that boots from an image gets a signing token', async (t) => {
  await using site = await createClusterSite();
  const ask = (mac: string, body: string) =>
    curl(
      namespace,
      `http://tinderbox/api/v1/machines/${mac}/signing-token`,
      '--unix-socket',
      join(site.folder, 'var/admin.sock'),
      '--json',
      body,
    );
  const daemon = await site.serve();
  for (const body of ['{}', '{"days":0}', '{"days":31}', '{"days":1.5}', '{"days":"7"}', '{"day":7}']) {
    t.equal((await ask(OTHER, body)).status, 400, body);
  }
  const made = await ask(OTHER, '{"days":7}');
  t.equal(made.status, 200, made.body);
  const { url, expiresAt } = JSON.parse(made.body) as { url: string; expiresAt: number };
  t.match(url, /^http:\/\/10\.77\.0\.1\/boot\/\d+-[\w-]{32}$/);
  t.ok(expiresAt > Date.now() + 6 * 86_400_000);
  daemon.signal('SIGKILL');
  await daemon.ended;
  const next = await site.serve();
  const { file } = writeRequest();
  const taken = await post(url, 'node', file);
  t.match(taken, {
    status: 403,
    body: /:57 asks from 10\.77\.0\.50, which machines\.yaml reserves to .*:56/,
  });
  const given = await post(url, 'node', file, '10.77.0.51');
  t.equal(given.status, 200, given.body);
  t.equal((await post(url, 'node', writeRequest().file, '10.77.0.51')).status, 403);
  const again = JSON.parse((await ask(OTHER, '{"days":1}')).body) as { url: string };
  t.not(again.url, url);
  t.equal((await post(url, 'node', file, '10.77.0.51')).status, 410, 'a new token ends the former');
  t.match(await site.run('machines', OTHER), {
    code: 0,
    stdout: /Signing token \(session \d+\), made .*: good until/,
  });
  const issued = `${ROLE}identity: worker\ncredentials: { delivery: issued }\n`;
  await site.write({ 'profiles/worker/role.yaml': issued });
  t.match(await ask(OTHER, '{"days":1}'), { status: 403, body: /make no keys of their own/ });
  await site.write({ 'profiles/worker/role.yaml': ROLE });
  const none = await ask(OTHER, '{"days":1}');
  t.match(none, { status: 403, body: /role worker get no certificates/ });
  const record = JSON.stringify(await eventsOf(site, OTHER)) + daemon.log() + next.log();
  t.match(record, /a signing token was made/);
  t.notMatch(record, url.split('-').slice(1).join('-'));
});

await t.test('what is wrong with certificates is said before the start, with file and remedy', async (t) => {
  await using site = await createClusterSite();
  t.match(await site.run('check'), { code: 0 });
  const rows: [string, Record<string, string>, RegExp, RegExp][] = [
    [
      'a worker with the name of the API server',
      { 'profiles/machines.yaml': `machines:\n  ${MAC}: { role: worker, hostname: kubernetes }\n` },
      /machines\.yaml:2.*kubernetes belongs to the API server/,
      /hostname and an address of its own/,
    ],
    [
      'a worker with its address',
      { 'profiles/machines.yaml': `machines:\n  ${MAC}: { role: worker, address: 10.77.0.1 }\n` },
      /10\.77\.0\.1 belongs to the API server/,
      /./,
    ],
    [
      'an API server that is not https',
      { 'tinderbox.yaml': `${CONFIG}cluster: { apiServer: 'http://10.77.0.1:6443' }\n` },
      /apiServer/,
      /https/,
    ],
  ];
  for (const [name, files, what, remedy] of rows) {
    await site.write({ ...FILES, ...files });
    const checked = await site.run('check');
    t.equal(checked.code, 1, name);
    t.match(checked.stdout + checked.stderr, what, name);
    t.match(checked.stdout + checked.stderr, remedy, name);
    t.equal((await site.run('serve')).code, 1, name);
  }
  await site.write(FILES);
  await site.write({ 'var/pki/etcd.pem': 'junk' });
  const broken = await site.run('check');
  t.equal(broken.code, 1);
  t.match(broken.stdout + broken.stderr, /pki\/etcd\.pem.*[\s\S]*(restore it|ca import)/i);
  t.match(await site.run('serve'), { code: 1, stderr: /etcd\.pem/ });
  t.equal(readFileSync(join(site.folder, 'var/pki/etcd.pem'), 'utf8'), 'junk', 'nothing is made anew');
});

await t.test('an authority that is none, or has expired, is not imported', async (t) => {
  await using site = await createSite(namespace, FILES);
  const none = makeForeignAuthority(folder, {
    name: 'none',
    extensions: ['basicConstraints=critical,CA:FALSE'],
  });
  const past = Date.now() - 4_000 * 86_400_000;
  const old = await makeAuthority({ name: 'kubernetes', now: past, keys: smallKeys, random: randomBytes });
  const expired = { certificate: join(folder, 'old.crt'), key: join(folder, 'old.key') };
  writeFileSync(expired.certificate, old.certificate.toString());
  writeFileSync(expired.key, exportKey(old.key));
  for (const [{ certificate, key }, why] of [
    [none, /is no authority/],
    [expired, /expired on/],
  ] as const) {
    const args = ['--authority', 'kubernetes', '--certificate', certificate, '--key', key];
    const imported = await site.run('ca', 'import', ...args);
    t.match(imported, { code: 1, stderr: why });
    t.notOk(existsSync(join(site.folder, 'var/pki')), 'nothing was written');
  }
});
