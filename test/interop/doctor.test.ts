import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { DoctorFinding, DoctorReport } from '../../src/admin/doctor-api.ts';
import { startPlainDhcp } from '../../src/lab/plain-dhcp.ts';
import type { AuthorityName } from '../../src/machine/identity.ts';
import { makeAuthority } from '../../src/pki/make-authority.ts';
import { createKeyMaker } from '../../src/pki/make-keys.ts';
import { pkiFiles } from '../../src/pki/open-authorities.ts';
import { createSite, ROLE, type Site } from './support/daemon-site.ts';
import { createLab } from './support/dhcp-lab.ts';

t.setTimeout(180_000);
// Most of the time they wait for DHCP servers that are not there.
t.jobs = 4;

const SERVER = 'network: { interface: br0 }\ndhcp: { mode: server, range: 10.77.0.100-10.77.0.199 }\n';
const PROXY = 'network: { interface: br0 }\ndhcp: { mode: proxy }\n';

/** As long as what they stand for, and with its magic. */
function makeImage(size: number, ...magics: readonly (readonly [at: number, text: string])[]): Uint8Array {
  const image = Buffer.alloc(size, 1);
  for (const [at, text] of magics) image.write(text, at, 'latin1');
  return image;
}
const KERNEL = makeImage(400_000, [0, 'MZ'], [0x202, 'HdrS']);
const INITRD = makeImage(100_000, [0, '\x1f\x8b']);
const SOUND = { 'assets/vmlinuz': KERNEL, 'assets/initrd.gz': INITRD };
const PAGE = `<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head>${' '.repeat(5000)}</html>\n`;

async function examine(site: Site): Promise<{ readonly code: number | null; readonly report: DoctorReport }> {
  const { code, stdout, stderr } = await site.run('doctor', '--json');
  try {
    return { code, report: JSON.parse(stdout) as DoctorReport };
  } catch {
    throw new Error(`doctor ended with ${code}: ${stdout}${stderr}`);
  }
}

const told = (report: DoctorReport, ...states: readonly DoctorFinding['state'][]) =>
  report.findings.filter(({ state }) => states.includes(state)).map(({ check, text }) => `${check}: ${text}`);

/** Every row is said by a finding of its check, with what to do. */
function saysAll(
  t: Test,
  report: DoctorReport,
  rows: readonly (readonly [check: string, pattern: RegExp])[],
): void {
  for (const [check, pattern] of rows) {
    const found = report.findings.find((one) => one.check === check && pattern.test(one.text));
    t.ok(found, `${check}: ${pattern}\n${told(report, 'problem', 'warning').join('\n')}`);
    // What is wrong in a file says mostly itself what it should be.
    if (check !== 'configuration') t.ok(found?.remedy, `${check}: ${pattern} has a remedy`);
  }
}

t.test('where all is well nothing is a problem, without a daemon and beside it', async (t) => {
  await using lab = await createLab();
  await lab.addClient();
  await using site = await createSite(lab.network.namespace, { 'tinderbox.yaml': SERVER, ...SOUND });
  const before = await examine(site);
  t.same(told(before.report, 'problem'), []);
  t.equal(before.code, 0);
  t.match(before.report, { ok: true, running: false });
  t.match(told(before.report, 'warning'), [/^daemon: tinderbox does not run/]);
  const good = told(before.report, 'ok').join('\n');
  for (const part of [
    /^ports: .*UDP 67 \(DHCP\) on br0 is free.*TCP 80 \(HTTP\) on br0 is free/m,
    /^assets: \/assets\/vmlinuz: x86 bzImage with an EFI stub, 400 kB; \/assets\/initrd\.gz: gzip/m,
    /^dhcp-servers: no other DHCP server answers on br0$/m,
    /^interface: br0 is up: 10\.77\.0\.1\/24, MTU 1500; gives addresses in 10\.77\.0\.0\/24$/m,
    /^configuration: .*sound$/m,
    /^boot-files: undionly\.kpxe/m,
  ])
    t.match(good, part);

  const daemon = await site.serve();
  const beside = await examine(site);
  t.same(told(beside.report, 'problem', 'warning'), []);
  t.equal(beside.code, 0);
  const lines = told(beside.report, 'ok').join('\n');
  for (const part of [
    new RegExp(`^daemon: tinderbox .* runs since .* \\(pid ${daemon.pid}\\), server mode$`, 'm'),
    /^ports: UDP 67 \(DHCP\) on br0 is tinderbox's;/m,
    /^descriptors: the daemon may have \d+ of \d+ files open$/m,
  ])
    t.match(lines, part);
  const socket = join(site.folder, 'var/admin.sock');
  const asked = await lab.network.namespace.run(
    [
      'curl',
      '--silent',
      '--fail',
      '--request',
      'POST',
      '--unix-socket',
      socket,
      'http://admin/api/v1/doctor',
    ],
    { timeout: 60_000 },
  );
  const own = JSON.parse(asked) as DoctorReport;
  t.match(own, { ok: true, running: true });
  t.match(
    told(own, 'ok').join('\n'),
    /^dhcp-servers: no other DHCP server answers on br0$/m,
    'the daemon of itself',
  );
  const machines = await site.run('machines', '--json');
  t.same(JSON.parse(machines.stdout), [], 'who looks for other DHCP servers is no machine');
  const explained = await site.run('explain', '52:54:00:12:34:56', '--arch', 'uefi-x64');
  t.match(explained, {
    code: 0,
    stderr: '',
    stdout: /never seen.*OFFER, 10\.77\.0\.1\d\d, boot snponly\.efi/s,
  });
  t.match(await site.run('explain', '52:54:00:12:34:56', '--only', 'script'), { code: 0, stdout: /^#!ipxe/ });
  daemon.signal('SIGTERM');
  await daemon.ended;
});

t.test('what is broken is said all at once, each with what to do', async (t) => {
  await using lab = await createLab();
  const { namespace } = lab.network;
  await using site = await createSite(namespace, {
    'tinderbox.yaml': `${PROXY}cluster: { name: rack, apiServer: 'https://10.77.0.1:6443' }\nloaders: { uefi-arm64: arm.efi }\n`,
    'profiles/machines.yaml': 'default: worker\n',
    'assets/vmlinuz': PAGE,
    'assets/initrd.gz': KERNEL,
    'profiles/worker/role.yaml': ROLE.replace('initrd.gz]', 'initrd.gz, /assets/more.gz]'),
    'assets/ipxe/arm.efi': makeImage(200_000, [0, 'no']),
  });
  await writeExpired(join(site.folder, 'var/pki'));
  await namespace.run([
    'ip',
    'link',
    'set',
    'br0',
    'type',
    'bridge',
    'forward_delay',
    '1500',
    'stp_state',
    '1',
  ]);
  await namespace.run(['ip', 'link', 'set', 'br0', 'mtu', '1400']);
  const rules =
    'table inet t {\nchain input {\ntype filter hook input priority 0; policy drop;\ntcp dport 80 accept\n}\n}\n';
  await namespace.run(['nft', '--file', '-'], { input: rules });
  const holder = namespace.spawn(
    [
      process.execPath,
      '--eval',
      "const s = require('dgram').createSocket('udp4'); s.bind(69, '10.77.0.1', () => console.log('there'))",
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(holder.stdout as NodeJS.ReadableStream, 'data');
  const { code, report } = await examine(site);
  t.equal(code, 1);
  t.match(report, { ok: false, running: false });
  saysAll(t, report, [
    ['assets', /^\/assets\/vmlinuz is an HTML or XML page/],
    ['assets', /^\/assets\/initrd\.gz is a kernel \(x86 bzImage/],
    ['boot-files', /^arm\.efi is no EFI program/],
    ['certificates', /the kubernetes authority: it expired on 2024-01-01/],
    ['configuration', /the asset \/assets\/more\.gz: there is no such file/],
    ['dhcp-servers', /^no DHCP server answers on br0/],
    [
      'firewall',
      /^nftables seems to drop on br0: udp 67 \(DHCP\), udp 4011 \(PXE\), udp 69 \(TFTP\), udp 514 \(syslog\)$/,
    ],
    ['interface', /^br0 has no carrier/],
    ['interface', /^the MTU of br0 is 1400/],
    ['interface', /^br0 is a bridge whose ports forward only 30 s/],
    ['ports', /^UDP 69 \(TFTP\) on br0 is held by node \(pid \d+\)/],
  ]);
});

t.test('a second DHCP server is a problem of a server, and what a proxy needs', async (t) => {
  await using lab = await createLab();
  await using other = await startPlainDhcp({
    namespace: lab.network.namespace,
    bridge: 'br0',
    network: '10.77.0',
  });
  await using site = await createSite(lab.network.namespace, { 'tinderbox.yaml': SERVER, ...SOUND });
  const asServer = await examine(site);
  t.match(other.log(), /DHCPDISCOVER/);
  t.equal(asServer.code, 1);
  saysAll(t, asServer.report, [
    ['dhcp-servers', /^another DHCP server is on br0: 10\.77\.0\.2 \(.*\), which offered 10\.77\.0\.\d+/],
  ]);
  await site.write({ 'tinderbox.yaml': PROXY });
  const asProxy = await examine(site);
  t.match(asProxy, { code: 0, report: { ok: true } });
  t.match(
    told(asProxy.report, 'ok').join('\n'),
    /^dhcp-servers: addresses on br0 are given by 10\.77\.0\.2/m,
  );
});

t.test('without an interface or a configuration the rest is looked at all the same', async (t) => {
  await using lab = await createLab();
  await using site = await createSite(lab.network.namespace, {
    'tinderbox.yaml': SERVER.replace('br0', 'enp9s9'),
    'profiles/worker/role.yaml': 'description: [\n',
    ...SOUND,
  });
  const { code, report } = await examine(site);
  t.equal(code, 1);
  saysAll(t, report, [
    ['interface', /^there is no network interface enp9s9/],
    ['configuration', /role\.yaml/],
  ]);
  t.match(told(report, 'skipped').join('\n'), /^assets: profiles\/ is broken$/m);
  t.match(told(report, 'ok').join('\n'), /^disk: /m);
  await site.write({ 'tinderbox.yaml': 'network: { interfac: br0 }\n' });
  const broken = await examine(site);
  t.equal(broken.code, 1);
  saysAll(t, broken.report, [['configuration', /unknown key "interfac"/]]);
});

async function writeExpired(folder: string): Promise<void> {
  const keys = createKeyMaker();
  const make = (name: AuthorityName) =>
    makeAuthority({ name, now: Date.UTC(2014, 0, 1), keys, random: randomBytes, keyKind: 2048 });
  const [kubernetes, etcd, frontProxy] = await Promise.all([
    make('kubernetes'),
    make('etcd'),
    make('front-proxy'),
  ]);
  const serviceAccounts = (await keys.make(2048)).privateKey;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [name, text] of pkiFiles({
    authorities: { kubernetes, etcd, 'front-proxy': frontProxy },
    serviceAccounts,
  }))
    await writeFile(join(folder, name), text, { mode: 0o600 });
}
