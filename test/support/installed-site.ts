import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DebianSuite, ensureDebianImage } from '../../src/lab/debian-image.ts';
import { type InstalledMaster, startInstalledMaster } from '../../src/lab/installed-master.ts';
import { ensureLiveImage } from '../../src/lab/live-image.ts';
import type { MachineKind } from '../../src/lab/machine-kinds.ts';
import { type QemuMachine, startQemuMachine } from '../../src/lab/qemu-machine.ts';
import { createVirtualSwitch, type VirtualSwitch } from '../../src/lab/virtual-switch.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import { type Mac, parseMac } from '../../src/machine/mac.ts';
import type { BootSession } from '../../src/machine/session.ts';
import { buildPackages } from '../interop/support/build-packages.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CABLES = 4;
const BOOT_TIME = 300_000;

/** As an operator's `systemctl edit`: what a start and a turn of the loop take here depends on the host. */
const EMULATED = '[Service]\nTimeoutStartSec=10min\nTimeoutStopSec=5min\nWatchdogSec=5min\n';

/** In the guest: the package, a live image, and the roles that boot it. */
export const HANDED_OVER = '/srv/lab';

export interface InstalledSite extends AsyncDisposable {
  readonly network: VirtualSwitch;
  /** It has HANDED_OVER and nothing of Tinderbox yet. */
  readonly master: InstalledMaster;
  readonly powerOn: (kind: MachineKind, mac: string) => Promise<QemuMachine>;
  /** Resolves when the machine says that it has booted, with its screen since line `from`. */
  readonly hasBooted: (machine: QemuMachine, from?: number) => Promise<string>;
  readonly inspect: (
    mac: string,
  ) => Promise<{ readonly session?: BootSession; readonly events: readonly BootEvent[] }>;
}

/** A master host with a Debian of its own, on a switch with cables for machines. */
export async function startInstalledSite(
  suite: DebianSuite,
  log: (line: string) => void,
): Promise<InstalledSite> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-installed-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const cache = join(ROOT, '.cache');
  const image = await ensureDebianImage(suite, { cache, log });
  log('Debian is on a disk');
  const files = join(folder, 'files');
  await gatherFiles(files + HANDED_OVER, { cache, log });
  log('the package is built');
  const dropIns = join(files, 'etc/systemd/system/tinderbox.service.d');
  await mkdir(dropIns, { recursive: true });
  await writeFile(join(dropIns, 'emulated.conf'), EMULATED);
  const network = stack.use(await createVirtualSwitch({ cables: CABLES }));
  const [uplink = '', ...taps] = network.taps;
  const master = stack.use(
    await startInstalledMaster({
      image,
      namespace: network.namespace,
      tap: uplink,
      folder: join(folder, 'master'),
      files,
    }),
  );
  let plugged = 0;
  const owned = stack.move();
  return {
    network,
    master,
    async powerOn(kind, mac) {
      const number = plugged++;
      const machine = await startQemuMachine({
        kind,
        namespace: network.namespace,
        tap: taps[number] ?? '',
        mac: parseMac(mac) as Mac,
        folder: join(folder, `machine-${number}`),
      });
      return owned.use(machine);
    },
    async hasBooted(machine, from = 0) {
      await machine.console.waitFor(/^tinderbox: reported booted/, { timeout: BOOT_TIME, from });
      return machine.console.lines.slice(from).join('\n');
    },
    async inspect(mac) {
      return JSON.parse(await master.run(`tinderbox machines ${mac} --json`));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function gatherFiles(
  folder: string,
  { cache, log }: { readonly cache: string; readonly log: (line: string) => void },
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const built = buildPackages();
  await cp(built.deb, `${folder}/tinderbox.deb`);
  await rm(built.folder, { recursive: true });
  const live = await ensureLiveImage({ cache, log });
  await mkdir(`${folder}/live`);
  await cp(live.kernel, `${folder}/live/vmlinuz`);
  await cp(live.initrd, `${folder}/live/initrd.img`);
  await cp(join(ROOT, 'src/lab/profiles'), `${folder}/profiles`, { recursive: true });
}
