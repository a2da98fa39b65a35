import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { addAddress, addVethPair, type NetworkNamespace, stopProcess } from '../../src/lab/namespace.ts';
import { createSite, type Ended, type Site, waitUntil } from './support/daemon-site.ts';
import { createLab, runUdhcpc } from './support/dhcp-lab.ts';
import { startKea } from './support/dhcp-servers.ts';

const TINDERBOX = fileURLToPath(new URL('../../bin/tinderbox', import.meta.url));
const EMPTY = { 'tinderbox.yaml': undefined, profiles: undefined, assets: undefined };

/** A site in which nothing is there yet. */
const createEmptySite = (namespace: NetworkNamespace): Promise<Site> => createSite(namespace, EMPTY);

interface Report {
  readonly mode: string;
  readonly written: readonly string[];
  readonly backup?: string;
  readonly otherDhcpServers: readonly { readonly interface: string; readonly servers: readonly string[] }[];
  readonly warnings: readonly string[];
  readonly nextSteps: readonly string[];
}

const reportOf = ({ stdout, stderr }: Ended): Report => {
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Report;
};
const INIT = ['init', '--config', 'tinderbox.yaml'] as const;

await t.test('every file that is written is one that check accepts', async (t) => {
  await using lab = await createLab();
  const { namespace } = lab.network;
  const other = await lab.addClient();
  await addVethPair({ namespace, name: 'eth2' }, { namespace: other, name: 'eth9' });
  await addAddress(namespace, 'eth2', '10.78.0.150/24');
  const cluster = ['--cluster', '--api-server', 'https://10.77.0.1:6443', '--pod-network', '10.4.0.0/16'];
  const server = ['--interface', 'br0', '--mode', 'server'];
  const lines: readonly (readonly [what: string, flags: readonly string[], text: RegExp])[] = [
    ['proxy', ['--interface', 'br0', '--mode', 'proxy'], /\n {2}mode: proxy\n/],
    ['server', server, /\n {2}range: 10\.77\.0\.100-10\.77\.0\.200 /],
    ['off', ['--interface', 'br0', '--mode', 'off'], /\n {2}mode: off\n/],
    [
      'cluster',
      [...server, ...cluster, '--service-network', '10.5.0.0/24'],
      /\n {2}podNetwork: 10\.4\.0\.0\/16 /,
    ],
    [
      'everything',
      [
        ...server,
        '--range',
        '10.77.0.10-10.77.0.20',
        '--router',
        '10.77.0.254',
        '--dns',
        '10.77.0.1',
        '--dns',
        '192.0.2.53',
      ],
      /\n {2}router: 10\.77\.0\.254 .*\n {2}leaseTime: 1h .*\n {2}dns: \[10\.77\.0\.1, 192\.0\.2\.53\] /,
    ],
    [
      'two interfaces',
      [...server, '--interface', 'eth2'],
      /- range: 10\.77\.0\.100-.*\n[^]*- range: 10\.78\.0\.100-10\.78\.0\.149 /,
    ],
  ];
  for (const [what, flags, text] of lines) {
    await using site = await createEmptySite(namespace);
    const ended = await site.run(...INIT, ...flags, '--no-detect', '--admission', 'approve', '--yes');
    t.match(ended, { code: 0, stderr: '' }, what);
    t.match(ended.stdout, /Next:\n(.*\n)* {2}sudo tinderbox check/);
    t.match(readFileSync(join(site.folder, 'tinderbox.yaml'), 'utf8'), text);
    t.match(readFileSync(join(site.folder, 'profiles/machines.yaml'), 'utf8'), /\ndefault: none\n/);
    t.equal(statSync(join(site.folder, 'tinderbox.yaml')).mode & 0o777, 0o640);
    t.equal(statSync(join(site.folder, 'var')).mode & 0o777, 0o700);
    const check = await site.run('check');
    t.match(check, { code: 0, stdout: /\n0 error\(s\)/ }, `${what}: ${check.stdout}`);
  }
});

await t.test('what check would refuse is not written, and what is there is not lost', async (t) => {
  await using lab = await createLab();
  await using site = await createEmptySite(lab.network.namespace);
  const list = () => readdir(site.folder, { recursive: true });
  const bad: readonly (readonly [flags: readonly string[], code: number, stderr: RegExp])[] = [
    [['--interface', 'eth9', '--yes'], 1, /there is no network interface eth9\n {4}This host has: /],
    [
      ['--interface', 'br0', '--mode', 'server', '--range', '10.99.0.1-10.99.0.9', '--yes'],
      1,
      /nothing is written: .*\n(.*\n)*.*10\.99\.0\.1-10\.99\.0\.9/,
    ],
    [
      ['--interface', 'br0', '--mode', 'server', '--range', 'some', '--yes'],
      2,
      /--range some: some is no range such as/,
    ],
    [
      ['--interface', 'br0', '--mode', 'server', '--router', '10.99.0.1', '--yes'],
      2,
      /the router 10\.99\.0\.1 is in no network/,
    ],
    [['--interface', 'br0', '--mode', 'proxy', '--default-role', 'wroker', '--yes'], 2, /one of: none, /],
    [['--interface', 'br0', '--no-cluster', '--api-server', 'https://x', '--yes'], 2, /--no-cluster/],
    [['--interface', 'br0'], 2, /no terminal to ask on\n {4}Say --yes/],
  ];
  for (const [flags, code, stderr] of bad) {
    t.match(await site.run(...INIT, '--no-detect', ...flags), { code, stderr }, flags.join(' '));
    t.same(await list(), [], 'nothing is left behind');
  }
  const good = [...INIT, '--no-detect', '--interface', 'br0', '--mode', 'proxy', '--yes'];
  const dry = await site.run(...good, '--dry-run');
  t.match(dry, { code: 0, stdout: /^# yaml-language-server: [^]*mode: proxy/ });
  t.same(await list(), [], 'a dry run writes nothing');

  await site.write({ 'tinderbox.yaml': '# mine\n', 'profiles/machines.yaml': 'default: none\n' });
  t.match(await site.run(...good), {
    code: 1,
    stderr: /tinderbox\.yaml is there already, and stays as it is/,
  });
  const forced = reportOf(await site.run(...good, '--force', '--json'));
  t.equal(readFileSync(forced.backup ?? '', 'utf8'), '# mine\n');
  t.match(forced, { profiles: { kept: true, missing: ['controller'] } });
  t.equal(readFileSync(join(site.folder, 'profiles/machines.yaml'), 'utf8'), 'default: none\n');
});

await t.test('an ordinary user is told what to do', async (t) => {
  await using lab = await createLab();
  await using site = await createEmptySite(lab.network.namespace);
  const argv = [
    'setpriv',
    '--reuid',
    '65534',
    '--regid',
    '65534',
    '--clear-groups',
    'env',
    '-u',
    'NODE_OPTIONS',
  ];
  const text = await lab.network.namespace.run(
    [
      'sh',
      '-c',
      '"$@" 2>&1; echo "code $?"',
      'sh',
      ...argv,
      TINDERBOX,
      'init',
      '--yes',
      '--config',
      join(site.folder, 'x/tinderbox.yaml'),
    ],
    { timeout: 60_000 },
  );
  t.match(
    text,
    /cannot be written \(EACCES\); nothing was changed\n {4}Run it with sudo, or .*--config .*\ncode 1/,
  );
});

/** In a mount namespace: /etc is a copy, with the account that the package makes, and /var/lib is empty. */
const INSTALLED = `
set -e
copy=$(mktemp -d)
mount -t tmpfs none "$copy"
cp -a /etc "$copy/etc"
mount --bind "$copy/etc" /etc
mount -t tmpfs none /var/lib
sed -i /^tinderbox:/d /etc/passwd /etc/group
echo 'tinderbox:x:64001:64002::/var/lib/tinderbox:/usr/sbin/nologin' >> /etc/passwd
echo 'tinderbox:x:64002:' >> /etc/group
rm -rf /etc/tinderbox /etc/systemd/system
mkdir -p /etc/systemd/system /etc/tinderbox/profiles
cp "$(dirname "$1")"/../systemd/*.socket /etc/systemd/system
cd /
"$@"
stat -c '%n %u:%g %a' /etc/tinderbox /etc/tinderbox/* /etc/tinderbox/profiles/worker/role.yaml /var/lib/tinderbox/*
cd /etc/systemd/system
find . -name '*.conf' -o -type l | sort
echo 'again, without sockets:'
"$1" init --no-detect --interface br0 --mode server --force --yes
find . -name '*.conf' -o -type l | sort
umount -l "$copy"
rmdir "$copy"
`;

await t.test('on an installed system everything belongs to whom the service needs it to', async (t) => {
  await using lab = await createLab();
  const flags = ['--no-detect', '--interface', 'br0', '--mode', 'server', '--sockets', '--yes'];
  const all = await lab.network.namespace.run(
    [
      'unshare',
      '--mount',
      'env',
      '-u',
      'NODE_OPTIONS',
      'sh',
      '-c',
      INSTALLED,
      'sh',
      TINDERBOX,
      'init',
      ...flags,
    ],
    { timeout: 60_000 },
  );
  const [text = '', again = ''] = all.split('again, without sockets:\n');
  t.match(text, /\n\/etc\/tinderbox\/profiles 64001:64002 750\n/);
  t.match(text, /\n\/etc\/tinderbox\/profiles\/worker\/role\.yaml 64001:64002 640\n/);
  t.match(text, /\n\/etc\/tinderbox\/tinderbox\.yaml 0:64002 640\n/);
  t.match(text, /\n\/var\/lib\/tinderbox\/assets 64001:64002 755\n/);
  t.match(text, /\n\/var\/lib\/tinderbox\/state 64001:64002 700\n/);
  t.match(text, /\n\.\/tinderbox-dhcp@br0\.socket\.d\/device\.conf\n/);
  t.match(text, /\n\.\/tinderbox\.service\.d\/sockets\.conf\n/);
  t.match(text, /\n\.\/tinderbox\.service\.wants\/tinderbox-dhcp@br0\.socket\n/);
  t.match(
    again,
    /Removed, as an earlier init wrote it:\n {2}\/etc\/systemd\/system\/tinderbox\.service\.d\//,
  );
  t.notMatch(again, /^\.\//m, 'the service opens its ports itself again');
});

await t.test('beside a dnsmasq it is a proxy, and no second server unless forced', async (t) => {
  await using lab = await createLab({ plainDhcp: true });
  const { namespace } = lab.network;
  await using site = await createEmptySite(namespace);
  const flags = [...INIT, '--interface', 'br0', '--yes'];
  const who =
    /^10\.77\.0\.2 \(([0-9a-f]{2}:){5}[0-9a-f]{2}\), which offered 10\.77\.0\.\d+, router 10\.77\.0\.2$/;
  const refused = await site.run(...flags, '--mode', 'server');
  t.match(refused, {
    code: 1,
    stderr: /another DHCP server is there: 10\.77\.0\.2 \(.*\n {4}Use --mode proxy/,
  });
  t.notOk(existsSync(join(site.folder, 'tinderbox.yaml')));
  const chosen = reportOf(await site.run(...flags, '--json'));
  t.match(chosen, { mode: 'proxy', otherDhcpServers: [{ interface: 'br0', servers: [who] }] });
  t.match(reportOf(await site.run(...flags, '--json', '--mode', 'server', '--force')), { mode: 'server' });
});

await t.test(
  'a Kea with one address is found again and again, beside a DHCP client, and has it still',
  async (t) => {
    await using lab = await createLab();
    const { namespace } = lab.network;
    await using site = await createEmptySite(namespace);
    const kea = await lab.addClient('10.77.0.3/24');
    await startKea(kea, site.folder);
    // The host's own DHCP client holds port 68, of all interfaces.
    await addVethPair({ namespace, name: 'eth8' }, { namespace: kea, name: 'eth9' });
    const files = ['-lf', '/dev/null', '-pf', '/dev/null', '-sf', '/bin/true'];
    const client = namespace.spawn(['dhclient', '-d', ...files, 'eth8']);
    const holders = () => namespace.run(['ss', '--udp', '--listening', '--numeric', 'sport = :68']);
    await waitUntil('the client has port 68', async () => (await holders()).includes('0.0.0.0:68'));
    for (let look = 0; look < 2; look++) {
      const found = reportOf(await site.run(...INIT, '--interface', 'br0', '--yes', '--json', '--dry-run'));
      t.match(found, {
        mode: 'proxy',
        otherDhcpServers: [
          { servers: [/^10\.77\.0\.3 \(.*which offered 10\.77\.0\.60, router 10\.77\.0\.254/] },
        ],
      });
    }
    t.ok((await holders()).includes('0.0.0.0:68'), 'which it still has');
    await stopProcess(client);
    const machine = await lab.addClient();
    t.match(
      await runUdhcpc(machine, '52:54:00:00:aa:01'),
      { address: '10.77.0.60' },
      'nothing of the pool was used up',
    );
  },
);

await t.test('its own daemon is no other server, and that of another host is one', async (t) => {
  await using lab = await createLab();
  const neighbour = await lab.addClient('10.77.0.4/24');
  await using own = await createSite(lab.network.namespace);
  const daemon = await own.serve();
  const init = ['init', '--config', 'new/tinderbox.yaml', '--yes', '--json', '--dry-run', '--interface'];
  const flags = [...init, 'br0'];
  const alone = reportOf(await own.run(...flags));
  t.match(alone, { mode: 'server', otherDhcpServers: [{ interface: 'br0', servers: [] }] });
  await using other = await createEmptySite(neighbour);
  const found = reportOf(await other.run(...init, 'eth0'));
  t.match(found, {
    mode: 'proxy',
    otherDhcpServers: [{ servers: [/^10\.77\.0\.1 \(.*which offered 10\.77\.0\.1\d\d$/] }],
  });
  daemon.signal('SIGTERM');
  await daemon.ended;
});

/** `tinderbox init` on a terminal of its own. */
function onTerminal(namespace: NetworkNamespace, site: Site, ...flags: readonly string[]) {
  const command = [TINDERBOX, 'init', '--config', 'tinderbox.yaml', ...flags].join(' ');
  const [program = '', ...args] = namespace.enter([
    'env',
    '-u',
    'NODE_OPTIONS',
    'script',
    '-qec',
    command,
    '/dev/null',
  ]);
  const child: ChildProcess = spawn(program, args, { cwd: site.folder, stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => void (text += chunk.toString('utf8')));
  const ended = once(child, 'close').then(() => child.exitCode);
  return {
    ended,
    text: () => text,
    async answer(prompt: RegExp, keys: string) {
      const unless = ended.then(() => `it ended: ${text}`);
      await waitUntil(`it asks ${prompt}`, () => prompt.test(text), { limit: 60_000, unless });
      text = '';
      child.stdin?.write(keys);
    },
  };
}

await t.test('on a terminal it asks, each question with a default, and writes after a yes', async (t) => {
  await using lab = await createLab();
  await using site = await createEmptySite(lab.network.namespace);
  const terminal = onTerminal(lab.network.namespace, site);
  await terminal.answer(/br0 +10\.77\.0\.1\/24[^]*Provisioning interface \[br0\]: /, '\r');
  await terminal.answer(/nobody else gives addresses[^]*DHCP mode .* \[server\]: /, '\r');
  await terminal.answer(/Kubernetes cluster\?.*\[y\/N\]: /, 'y\r');
  await terminal.answer(/API server \[https:\/\/10\.77\.0\.1:6443\]: /, '\r');
  await terminal.answer(/Network of pods \[10\.2\.0\.0\/16\]: /, '\r');
  await terminal.answer(/Network of services \[10\.3\.0\.0\/24\]: /, '\r');
  await terminal.answer(/Router \[none\]: /, '10.77.0.300\r');
  await terminal.answer(/10\.77\.0\.300 is no IPv4 address[^]*Router \[none\]: /, '10.77.0.254\r');
  await terminal.answer(/Name servers \[none\]: /, '\r');
  await terminal.answer(/Addresses to give \[10\.77\.0\.100-10\.77\.0\.200\]: /, '10.77.0.20-10.77.0.29\r');
  await terminal.answer(/Lease time \[1h\]: /, '\r');
  await terminal.answer(/Domain \[none\]: /, '\r');
  await terminal.answer(/Who may boot .* \[open\]: /, 'approve\r');
  await terminal.answer(/WIPES[^]*without one \[none\]: /, '\r');
  await terminal.answer(/Write this to .*\? \[Y\/n\]: /, '\r');
  t.equal(await terminal.ended, 0);
  t.match(terminal.text(), /Written:[^]*Next:/);
  const text = readFileSync(join(site.folder, 'tinderbox.yaml'), 'utf8');
  t.match(
    text,
    /range: 10\.77\.0\.20-10\.77\.0\.29 [^]*router: 10\.77\.0\.254 [^]*admission: approve\n[^]*apiServer: https:\/\/10\.77\.0\.1:6443 /,
  );
  t.match(await site.run('check'), { code: 0 });
});

await t.test('Ctrl-C writes nothing, at a question and while it listens', async (t) => {
  await using lab = await createLab();
  await using site = await createEmptySite(lab.network.namespace);
  const asked = onTerminal(lab.network.namespace, site, '--no-detect', '--interface', 'br0');
  await asked.answer(/DHCP mode .*: /, '\u0003');
  t.equal(await asked.ended, 1);
  t.match(asked.text(), /stopped; nothing was written/);
  const listening = onTerminal(lab.network.namespace, site, '--interface', 'br0');
  await listening.answer(/Looking for other DHCP servers/, '\u0003');
  t.not(await listening.ended, 0);
  const last = onTerminal(
    lab.network.namespace,
    site,
    '--no-detect',
    '--interface',
    'br0',
    '--mode',
    'off',
    '--no-cluster',
    '--admission',
    'open',
    '--default-role',
    'none',
  );
  await last.answer(/Write this to .*: /, 'n\r');
  t.equal(await last.ended, 1);
  t.same(await readdir(site.folder), []);
});
