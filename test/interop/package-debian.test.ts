import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { buildPackages, lintDeb, repack } from './support/build-packages.ts';
import { type DebianRoot, unpackDebian } from './support/debian-root.ts';

const built = buildPackages();
t.teardown(() => rmSync(built.folder, { recursive: true }));

const CONFIG = `network: { interface: tb0 }
dhcp: { mode: proxy }
paths: { profiles: /etc/tinderbox/profiles, assets: /var/lib/tinderbox/assets, state: /var/lib/tinderbox/state }
`;
/** What `init` does, as far as these tests need it. */
const CONFIGURE = `cp /tmp/tinderbox.yaml /etc/tinderbox/tinderbox.yaml
cp -r /usr/share/tinderbox/profiles /etc/tinderbox/profiles
sed -i 's/^default: .*/default: none/' /etc/tinderbox/profiles/machines.yaml
chown -R tinderbox:tinderbox /etc/tinderbox/profiles`;

function give(root: DebianRoot, file: string): string {
  copyFileSync(file, join(root.folder, 'tmp', basename(file)));
  return `/tmp/${basename(file)}`;
}

/** A root with the package that was built, and how it looked before. */
function install(t: Test, root: DebianRoot): { readonly before: readonly string[]; readonly said: string } {
  writeFileSync(join(root.folder, 'tmp/tinderbox.yaml'), CONFIG);
  const before = root.list();
  const said = root.must('apt-get', 'install', '-y', give(root, built.deb));
  t.match(said, /Setting up tinderbox/);
  return { before, said };
}

t.test('lintian has nothing against the package', async (t) => {
  t.strictSame(lintDeb(built.deb), []);
});

const releases =
  process.env['TINDERBOX_FULL'] === '1' ? (['bookworm', 'trixie'] as const) : (['bookworm'] as const);
for (const release of releases) {
  t.test(`on ${release} apt-get install is all`, async (t) => {
    const root = unpackDebian(t, release);
    const { before, said } = install(t, root);
    t.match(said, /Next: sudo tinderbox init/);
    t.match(root.must('tinderbox', '--version'), /^\d+\.\d+\.\d+\n$/);
    t.match(root.must('tinderbox', '--help'), /Usage: tinderbox/);
    t.match(root.must('id', 'tinderbox'), /uid=\d+\(tinderbox\)/);
    t.equal(root.run('systemctl', 'is-enabled', 'tinderbox.service').output.trim(), 'disabled');
    t.equal(root.shell('dpkg --verify tinderbox'), '', 'every file is as packed');
    t.equal(
      root.shell('grep -l tinderbox /var/lib/dpkg/info/*.conffiles || true'),
      '',
      'nothing that a program edits is a conffile',
    );

    root.shell(CONFIGURE);
    const check = root.run(
      'sh',
      '-c',
      'ip link add tb0 type veth peer name tb1 && ip address add 10.77.0.1/24 dev tb0 && ip link set tb0 up && tinderbox check --json',
    );
    t.match(check.output, /^\s*[[{]/, 'check reads the configuration');
    t.notMatch(check.output, /koffi|sqlite|Cannot find|unknown key/i, 'with its native modules');
    const units = root.shell('ls /usr/lib/systemd/system/tinderbox*.service');
    t.equal(
      root.must('systemd-analyze', 'verify', '--man=no', ...units.trim().split('\n')),
      '',
      'its units are sound',
    );

    const said2 = root.must('apt-get', 'purge', '-y', 'tinderbox');
    t.notMatch(said2, /Kept/, 'nothing was edited');
    t.strictSame(root.list(), before, 'and nothing is left');
    t.not(root.run('id', 'tinderbox').status, 0);
  });
}

t.test('an upgrade keeps what is configured, and drops what the new version has not', async (t) => {
  const root = unpackDebian(t, 'bookworm');
  const older = repack(built.deb, '0.0.1', (tree) =>
    writeFileSync(join(tree, 'usr/lib/tinderbox/lib/gone.js'), ''),
  );
  writeFileSync(join(root.folder, 'tmp/tinderbox.yaml'), CONFIG);
  root.must('apt-get', 'install', '-y', give(root, older));
  root.shell(`${CONFIGURE}\necho '# mine' >>/etc/tinderbox/tinderbox.yaml`);
  const state = '/var/lib/tinderbox/state';
  root.shell(`echo data >${state}/db; chown tinderbox ${state}/db`);
  const kept = `sha256sum /etc/tinderbox/tinderbox.yaml ${state}/db; find /etc/tinderbox ${state} -printf '%p %m %u\\n'`;
  const before = root.shell(kept);
  root.must('apt-get', 'install', '-y', give(root, built.deb));
  t.equal(root.shell(kept), before);
  t.not(root.run('test', '-e', '/usr/lib/tinderbox/lib/gone.js').status, 0);

  await t.test('the version before comes back after one whose postinst fails', async (t) => {
    const broken = repack(built.deb, '9.0.0', (tree) => {
      writeFileSync(join(tree, 'DEBIAN/postinst'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    });
    const file = give(root, broken);
    t.not(root.run('dpkg', '--install', file).status, 0);
    t.match(root.shell("dpkg-query -W -f '${Status}' tinderbox"), /half-configured/);
    root.must('dpkg', '--install', give(root, built.deb));
    t.match(root.must('tinderbox', '--version'), /^\d/);
    t.equal(root.shell(kept), before);
  });

  await t.test('and after one whose program refuses to run', async (t) => {
    const broken = repack(built.deb, '9.0.1', (tree) =>
      writeFileSync(join(tree, 'usr/lib/tinderbox/lib/main.js'), 'process.exitCode = 1;\n'),
    );
    root.must('dpkg', '--install', give(root, broken));
    t.not(root.run('tinderbox', '--version').status, 0);
    root.must('dpkg', '--install', give(root, built.deb));
    t.match(root.must('tinderbox', '--version'), /^\d/);
    t.equal(root.shell(kept), before);
  });

  await t.test('removing keeps configuration and state', async (t) => {
    root.must('apt-get', 'remove', '-y', 'tinderbox');
    t.equal(root.shell(kept), before);
    t.not(root.run('test', '-e', '/usr/lib/tinderbox').status, 0);
  });
});

t.test(
  'a purge keeps keys, edited roles and assets, says so, and a new installation takes them up',
  async (t) => {
    const root = unpackDebian(t, 'bookworm');
    const { before } = install(t, root);
    root.shell(`${CONFIGURE}
mkdir -p /var/lib/tinderbox/state/pki /var/cache/tinderbox /etc/systemd/system/multi-user.target.wants
echo key >/var/lib/tinderbox/state/pki/ca.key; echo data >/var/lib/tinderbox/state/db
chown -R tinderbox:tinderbox /var/lib/tinderbox/state
echo image >/var/lib/tinderbox/assets/vmlinuz
echo '# mine' >>/etc/tinderbox/profiles/machines.yaml
systemctl enable tinderbox.service`);
    const KEPT = ['/etc/tinderbox/profiles', '/var/lib/tinderbox/state/pki', '/var/lib/tinderbox/assets'];

    root.must('apt-get', 'remove', '-y', 'tinderbox');
    const said = root.must('apt-get', 'purge', '-y', 'tinderbox');
    for (const path of KEPT) t.match(said, `sudo rm -r ${path}`);
    const left = root.list().filter((line) => !before.includes(line));
    const beside = left.filter((line) => !KEPT.some((path) => line.includes(path)));
    t.strictSame(
      beside.map((line) => line.replace(/^\S+ \S+ \S+ /, '').trim()).toSorted((a, b) => (a < b ? -1 : 1)),
      ['/etc/tinderbox', '/var/lib/tinderbox', '/var/lib/tinderbox/state'],
      'nothing is left but that',
    );
    t.ok(
      left.every((line) => line.includes(' root:root ')),
      'and it belongs to no number that another user may get',
    );
    t.not(root.run('id', 'tinderbox').status, 0);

    root.must('apt-get', 'install', '-y', give(root, built.deb));
    const owners = root.shell(`find ${KEPT.join(' ')} -printf '%u\\n' | sort -u`);
    t.equal(owners, 'tinderbox\n');
    t.equal(root.shell('cat /var/lib/tinderbox/state/pki/ca.key'), 'key\n');

    root.shell('echo ETCD_NAME=master-1 >/etc/tinderbox/etcd.env');
    t.match(root.must('apt-get', 'purge', '-y', 'tinderbox'), /Kept: \/etc\/tinderbox, with files of a role/);
    t.equal(
      root.shell('cat /etc/tinderbox/etcd.env'),
      'ETCD_NAME=master-1\n',
      'a role of this host keeps its files',
    );
    t.not(root.run('test', '-e', '/etc/tinderbox/tinderbox.yaml').status, 0);
    root.shell('rm /etc/tinderbox/etcd.env');
    root.shell(KEPT.map((path) => `rm -r ${path}`).join('\n'));
    const empty = ['/etc/tinderbox', '/var/lib/tinderbox', '/var/lib/tinderbox/state'];
    t.ok(empty.every((path) => root.run('test', '-d', path).status === 0));
  },
);

t.test('the tarball installs below a prefix, over an older one, and leaves nothing', async (t) => {
  const root = unpackDebian(t, 'bookworm');
  mkdirSync(join(root.folder, 'tmp/t'));
  root.shell(`tar -C /tmp/t --strip-components=1 -xf ${give(root, built.tarball)}`);
  for (const prefix of ['/usr/local', '/opt/boot/tinderbox']) {
    const before = root.list();
    t.match(root.must('/tmp/t/install.sh', '--prefix', prefix), `sudo ${prefix}/bin/tinderbox init`);
    t.match(root.must(`${prefix}/bin/tinderbox`, '--version'), /^\d/);
    const unit = root.shell(
      'cat /etc/systemd/system/tinderbox.service /usr/local/lib/systemd/system/tinderbox.service 2>&1 || true',
    );
    t.match(unit, `${prefix}/bin/tinderbox serve`, 'the unit runs this one');
    t.match(root.must('id', 'tinderbox'), /tinderbox/);
    root.shell('touch /tmp/t/share/tinderbox/examples/new.yaml');
    root.must('/tmp/t/install.sh', '--prefix', prefix);
    root.shell('rm /tmp/t/share/tinderbox/examples/new.yaml');
    root.must('/tmp/t/install.sh', '--prefix', prefix);
    t.not(root.run('test', '-e', `${prefix}/share/tinderbox/examples/new.yaml`).status, 0);

    const said = root.must(`${prefix}/lib/tinderbox/uninstall.sh`);
    t.match(said, /sudo rm -r \/var\/lib\/tinderbox/);
    root.shell('rm -r /var/lib/tinderbox /etc/tinderbox; userdel tinderbox');
    t.strictSame(root.list(), before);
  }
});
