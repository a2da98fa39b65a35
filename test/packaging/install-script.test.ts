import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

const TARBALL = join(import.meta.dirname, '../../packaging/tarball');
/** In a mount namespace, so that the host's systemd is not told. */
const AS_IF_BOOTED = 'mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec "$@"';

/** Installs a tarball of one file where `systemctl` is this script: there is no init here that could fail. */
function installWith(systemctl: string) {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-install-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['t/bin', 't/lib', 't/share', 'path'])
    mkdirSync(join(folder, name), { recursive: true });
  for (const name of ['install.sh', 'uninstall.sh'])
    copyFileSync(join(TARBALL, name), join(folder, 't', name));
  writeFileSync(join(folder, 't/bin/tinderbox'), '');
  const programs = { systemctl, 'systemd-sysusers': '', 'systemd-tmpfiles': '' };
  for (const [name, script] of Object.entries(programs))
    writeFileSync(join(folder, 'path', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const prefix = join(folder, 'prefix');
  const install = ['sh', join(folder, 't/install.sh'), '--prefix', prefix];
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['--mount', 'sh', '-c', AS_IF_BOOTED, 'sh', ...install],
    {
      env: { PATH: `${join(folder, 'path')}:/usr/sbin:/usr/bin:/sbin:/bin` },
      encoding: 'utf8',
    },
  );
  return { status, stdout, stderr, prefix };
}

t.test('a service that does not start again is told at the end, and ends the installer with 1', async (t) => {
  const { status, stdout, stderr, prefix } = installWith('[ "$1" != try-restart ]');
  t.equal(status, 1);
  t.match(stdout, `Installed. To remove it: sudo ${prefix}/lib/tinderbox/uninstall.sh\n`);
  t.match(stderr, /does not start.*\n.*journalctl -u tinderbox/);
  t.ok(existsSync(join(prefix, 'bin/tinderbox')));
});

t.test('one that starts needs no word', async (t) => {
  t.match(installWith(''), { status: 0, stderr: '' });
});

t.test('the installer is sound shell', async () => {
  execFileSync('shellcheck', [join(TARBALL, 'install.sh')]);
});
