import { execFile } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { ensureDebianInstaller } from '../../src/lab/debian-installer.ts';
import { startDebianMirror } from '../../src/lab/debian-mirror.ts';
import { findMirror } from '../../src/lab/find-mirror.ts';
import { explain, startLab } from '../support/start-lab.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAC = '52:54:00:12:34:56';
const MIRROR_PORT = 3142;
/** An emulated processor that is shared unpacks a system in half an hour, and longer. */
const INSTALL_TIME = 3 * 3_600_000;
const BOOT_TIME = 15 * 60_000;

const run = promisify(execFile);

/** Mirrors that are filtered for hosts that are installed may lack what only the installer asks for. */
async function hasComponents(site: string): Promise<boolean> {
  const index = await fetch(`${site}/dists/bookworm/main/debian-installer/binary-amd64/Packages.gz`);
  const text = gunzipSync(await index.arrayBuffer()).toString();
  const file = /^Package: debootstrap-udeb\n(?:.+\n)*?Filename: (.+)$/m.exec(text)?.[1];
  return file !== undefined && (await fetch(`${site}/${file}`, { method: 'HEAD' })).ok;
}

t.test(
  "Debian's own installer installs a machine once, which then boots its disk",
  { timeout: INSTALL_TIME + 4 * BOOT_TIME },
  async (t) => {
    const site = await findMirror('bookworm');
    if (site === undefined) throw new Error('apt knows no mirror of Debian 12');
    await using lab = await startLab({ mode: 'server', machinesYaml: 'default: none\n' });
    const cache = join(ROOT, '.cache');
    const installer = await ensureDebianInstaller({ cache, log: (line) => t.comment(line) });
    await mkdir(join(lab.folder, 'assets/debian'), { recursive: true });
    await cp(installer.kernel, join(lab.folder, 'assets/debian/linux'));
    await cp(installer.initrd, join(lab.folder, 'assets/debian/initrd.gz'));
    await using mirror = await startDebianMirror({
      namespace: lab.network.namespace,
      port: MIRROR_PORT,
      site,
    });
    for (const role of ['debian-install', 'local'])
      await cp(join(ROOT, 'profiles', role), join(lab.folder, 'profiles', role), { recursive: true });
    await writeFile(
      join(lab.folder, 'profiles/machines.yaml'),
      `machines:
  ${MAC}:
    role: local
    once: debian-install
    hostname: installed-7
    parameters:
      mirror: ${lab.network.address}:${MIRROR_PORT}
      securityMirror: ''
      tasks: []
      kernelPackage: linux-image-cloud-amd64
      sshAuthorizedKeys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDCNHoFNWDVqCEVPT3u2YBA3t5XEPWxHHzlvmzuxOFAc ada']
`,
    );
    const disk = join(lab.folder, 'disk.img');
    await run('truncate', ['--size=6G', disk]);
    const machine = await lab.powerOn('bios-ipxe', MAC, { disk, memory: 1_024 });
    try {
      await machine.console.waitFor(/Tinderbox: .* is installed-7, role debian-install/, {
        timeout: BOOT_TIME,
      });
      if (!(await hasComponents(site))) {
        // As far as it goes without them: it has read its answers, and run what is Tinderbox's.
        t.comment('the mirror of this host does not hold the components of the installer (udebs)');
        await machine.console.waitFor(/Downloading a file failed/, { timeout: INSTALL_TIME });
        const { session, events } = await lab.inspect(MAC);
        t.match(session, { role: 'debian-install', stage: 'config' });
        t.ok(
          events.some(({ asked }) => asked.endsWith('/raw/installer')),
          'by its early_command',
        );
        return;
      }
      await machine.console.waitFor(/Tinderbox: installing to \/dev\/vda/, { timeout: BOOT_TIME });
      await machine.console.waitFor(/Tinderbox: installed/, { timeout: INSTALL_TIME });
      await machine.console.waitFor(/Tinderbox: .* is installed-7, role local/, { timeout: BOOT_TIME });
      await machine.console.waitFor(/installed-7 login:/, { timeout: BOOT_TIME });
    } catch (error) {
      t.comment(await explain(lab, machine));
      throw error;
    }
    t.same(mirror.failures, []);
    t.match(await lab.tinderbox('machines', MAC), /has installed its system/);
  },
);
