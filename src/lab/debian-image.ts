import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { buildCpio } from './cpio.ts';
import type { Log } from './debian-packages.ts';
import { findMirror } from './find-mirror.ts';
import { indexPackages } from './index-packages.ts';
import { keepBuilt } from './keep-built.ts';
import { ensureBootPackages, unpackBootPackages } from './kernel-and-busybox.ts';
import { readBeside } from './read-beside.ts';
import { runProgram } from './run-program.ts';

export type DebianSuite = 'bookworm' | 'trixie';

/** A Debian with systemd on a disk, and what QEMU starts it with. Absolute paths; copy the disk before use. */
export interface DebianImage {
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** Counts up when what is put together here changes. */
const RECIPE = 1;
/** What a server without a desktop has; of mmdebstrap's smallest Debian 13 not even passwd is a part. No dbus. */
const PACKAGES = ['passwd', 'systemd', 'systemd-sysv', 'udev', 'iproute2', 'kmod', 'procps'];
/** Not installed: an apt source on the disk holds them, for what a package under test depends on. */
const AT_HAND = ['ipxe'];
const MODULES = ['virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_console', 'virtio_rng'];
const SIZE = '1500M';
const BUILD_TIMEOUT = 900_000;
/** Left out to keep the image small. */
const EXCLUDED = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/info/*'];

/** Which network card is which; also in guest-agent's machine, installed-master.ts. */
export const WORLD_MAC = '52:54:00:77:ff:01';
export const PROVISIONING_MAC = '52:54:00:77:ff:02';

const FILES: Readonly<Record<string, string>> = {
  'etc/hostname': 'master\n',
  'etc/hosts': '127.0.0.1 localhost master\n',
  // Fixed: otherwise the first boot presets every unit.
  'etc/machine-id': '7464b0c5000040008000525400770001\n',
  'etc/fstab': '/dev/vda / ext4 defaults 0 1\n',
  'etc/systemd/network/10-world.network': `[Match]\nMACAddress=${WORLD_MAC}\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\n`,
  'etc/systemd/network/20-provisioning.network': `[Match]\nMACAddress=${PROVISIONING_MAC}\n[Network]\nAddress=10.77.0.1/24\nLinkLocalAddressing=no\n`,
  'etc/systemd/journald.conf.d/lab.conf': '[Journal]\nStorage=persistent\n',
  'etc/systemd/system/lab-agent.service':
    '[Unit]\nDescription=Carries out commands of the lab\n[Service]\nExecStart=/usr/local/lib/guest-agent.sh\nRestart=always\nRestartSec=1\n[Install]\nWantedBy=multi-user.target\n',
  // For a disk that is made and thrown away.
  'etc/dpkg/dpkg.cfg.d/lab': 'force-unsafe-io\n',
  'etc/apt/sources.list': 'deb [trusted=yes] file:/srv/packages ./\n',
};
const ENABLED = ['systemd-networkd.service', 'systemd-networkd-wait-online.service', 'lab-agent.service'];
/** They ask a network that is not there, or take an emulated processor's time for nobody. */
const MASKED = `apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer
  getty@tty1.service getty-static.service serial-getty@ttyS0.service systemd-logind.service
  modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service modprobe@fuse.service
  modprobe@efi_pstore.service modprobe@loop.service systemd-update-utmp-runlevel.service`.split(/\s+/);

/**
 * Built into `cache` by mmdebstrap unless it is there already; needs root. Throws TinderboxError `not-found` without
 * mmdebstrap, `internal` with its last words where Debian cannot be had.
 */
export async function ensureDebianImage(
  suite: DebianSuite,
  { cache, log }: { readonly cache: string; readonly log: Log },
): Promise<DebianImage> {
  const packages = await ensureBootPackages(cache, log);
  const [init, agent] = await Promise.all([readBeside('disk-init.sh'), readBeside('guest-agent.sh')]);
  const recipe = [RECIPE, suite, PACKAGES, AT_HAND, MODULES, SIZE, FILES, ENABLED, MASKED];
  const key = createHash('sha256')
    .update(JSON.stringify([recipe, packages.kernelDeb, packages.busyboxDeb]))
    .update(Buffer.concat([init, agent]))
    .digest('hex')
    .slice(0, 16);
  const folder = `${cache}/debian-${suite}-${key}`;
  await keepBuilt(folder, async ({ work, result }) => {
    log(`building a disk with Debian ${suite}`);
    const root = `${work}/root`;
    await bootstrap(suite, root);
    await fillRoot(root, agent);
    await runProgram(['mke2fs', '-q', '-t', 'ext4', '-L', 'root', '-d', root, `${result}/disk`, SIZE], {
      timeout: BUILD_TIMEOUT,
    });
    const { kernel, entries } = await unpackBootPackages(packages, { work, modules: MODULES });
    const archive = buildCpio([...entries, { kind: 'file', path: 'init', content: init, executable: true }]);
    await writeFile(`${result}/vmlinuz`, kernel);
    await writeFile(`${result}/initrd`, await promisify(gzip)(archive, { level: 1 }));
  });
  return { disk: `${folder}/disk`, kernel: `${folder}/vmlinuz`, initrd: `${folder}/initrd` };
}

async function bootstrap(suite: DebianSuite, root: string): Promise<void> {
  const download = [
    'chroot "$1" apt-get -q --yes --no-install-recommends --download-only',
    `-o Dir::Cache::archives=/srv/packages install ${AT_HAND.join(' ')}`,
  ].join(' ');
  const site = await findMirror(suite);
  await runProgram(
    [
      ['mmdebstrap', '--quiet', '--variant=apt', '--mode=root', '--format=directory'],
      `--include=${PACKAGES.join(',')}`,
      EXCLUDED.map((path) => `--dpkgopt=path-exclude=${path}`),
      '--dpkgopt=force-unsafe-io',
      ['--customize-hook=mkdir -p "$1/srv/packages/partial"', `--customize-hook=${download}`],
      [suite, root, ...(site === undefined ? [] : [`deb ${site} ${suite} main`])],
    ].flat(),
    { timeout: BUILD_TIMEOUT },
  );
}

async function fillRoot(root: string, agent: Uint8Array): Promise<void> {
  await rm(`${root}/etc/apt/sources.list.d`, { recursive: true, force: true });
  for (const [path, content] of Object.entries(FILES)) {
    await mkdir(dirname(`${root}/${path}`), { recursive: true });
    await writeFile(`${root}/${path}`, content);
  }
  // What is installed later is installed as everywhere, with its documents.
  await rm(`${root}/etc/dpkg/dpkg.cfg.d/99mmdebstrap`);
  await writeFile(`${root}/usr/local/lib/guest-agent.sh`, agent, { mode: 0o755 });
  await mkdir(`${root}/var/log/journal`, { recursive: true });
  await rm(`${root}/srv/packages/partial`, { recursive: true, force: true });
  await rm(`${root}/srv/packages/lock`, { force: true });
  await indexPackages(`${root}/srv/packages`);
  const systemctl = ['systemctl', '--quiet', `--root=${root}`];
  await runProgram([...systemctl, 'enable', ...ENABLED]);
  await runProgram([...systemctl, 'mask', ...MASKED]);
  await runProgram(['chroot', root, 'apt-get', '-q', 'update']);
}
