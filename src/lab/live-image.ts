import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { TinderboxError } from '../errors.ts';
import type { CpioEntry } from './cpio.ts';
import { buildCpio } from './cpio.ts';
import type { Log } from './debian-packages.ts';
import { ensurePackage } from './download-packages.ts';
import { collectModules } from './kernel-modules.ts';
import { runProgram } from './run-program.ts';

/** A kernel and an initrd that boot from memory and do what live-init.sh says. Absolute paths. */
export interface LiveImage {
  readonly kernel: string;
  readonly initrd: string;
  /** The kernel's release, e.g. `6.1.0-56-cloud-amd64`. */
  readonly release: string;
}

/** Counts up when what is put together here changes. */
const RECIPE = 2;
const KERNEL_PACKAGE = 'linux-image-cloud-amd64';
const BUSYBOX_PACKAGE = 'busybox-static';
/** All that a QEMU machine of the lab has. */
const MODULES = ['virtio_pci', 'virtio_net'];

/**
 * The live image of the lab, built into `cache` unless it is there already: from Debian's packages, which are
 * downloaded and unpacked but not installed, so that any user can do it. Packages are kept in the cache too; remove
 * the folder to get newer ones. Two builders at once do no harm: a whole image is renamed into place.
 *
 * Throws TinderboxError `unavailable` where the packages cannot be had.
 */
export async function ensureLiveImage({
  cache,
  log,
}: {
  readonly cache: string;
  readonly log: Log;
}): Promise<LiveImage> {
  const packages = `${cache}/packages`;
  await mkdir(packages, { recursive: true });
  const kernelDeb = await ensurePackage(packages, kernelPackage, /^linux-image-\d.*\.deb$/, log);
  const busyboxDeb = await ensurePackage(
    packages,
    async () => BUSYBOX_PACKAGE,
    /^busybox-static_.*\.deb$/,
    log,
  );
  const scripts = await readScripts();
  const key = createHash('sha256')
    .update(JSON.stringify([RECIPE, kernelDeb, busyboxDeb, MODULES]))
    .update(Buffer.concat(scripts.map(({ content }) => content)))
    .digest('hex')
    .slice(0, 16);
  const folder = `${cache}/image-${key}`;
  if (!existsSync(folder)) {
    log(`building the live image from ${kernelDeb} and ${busyboxDeb}`);
    const work = `${cache}/work-${randomUUID()}`;
    try {
      await build({
        kernelDeb: `${packages}/${kernelDeb}`,
        busyboxDeb: `${packages}/${busyboxDeb}`,
        scripts,
        work,
      });
      await rename(`${work}/image`, folder).catch((error: NodeJS.ErrnoException) => {
        // Somebody else was quicker.
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      });
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  const release = (await readFile(`${folder}/release`, 'utf8')).trim();
  return { kernel: `${folder}/vmlinuz`, initrd: `${folder}/initrd`, release };
}

interface Script {
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable?: boolean;
}

function readBeside(name: string): Promise<Buffer> {
  return readFile(new URL(name, import.meta.url));
}

async function readScripts(): Promise<readonly Script[]> {
  const [init, apply] = await Promise.all([readBeside('live-init.sh'), readBeside('apply-cloud-config.awk')]);
  return [
    { path: 'init', content: init, executable: true },
    { path: 'apply-cloud-config.awk', content: apply },
  ];
}

interface Ingredients {
  readonly kernelDeb: string;
  readonly busyboxDeb: string;
  readonly scripts: readonly Script[];
  readonly work: string;
}

async function build({ kernelDeb, busyboxDeb, scripts, work }: Ingredients): Promise<void> {
  const image = `${work}/image`;
  await mkdir(image, { recursive: true });
  await runProgram(['dpkg-deb', '--extract', kernelDeb, `${work}/kernel`]);
  await runProgram(['dpkg-deb', '--extract', busyboxDeb, `${work}/busybox`]);
  const kernel = (await readdir(`${work}/kernel/boot`)).find((name) => name.startsWith('vmlinuz-'));
  if (kernel === undefined) throw new TinderboxError('unavailable', `${kernelDeb} holds no kernel`);
  const release = kernel.slice('vmlinuz-'.length);
  // Debian 13 merged /lib into /usr.
  const modulesFolder = [`${work}/kernel/lib/modules`, `${work}/kernel/usr/lib/modules`].find((path) =>
    existsSync(path),
  );
  const modules = await collectModules(`${modulesFolder}/${release}`, MODULES);
  const busybox = [`${work}/busybox/bin/busybox`, `${work}/busybox/usr/bin/busybox`].find((path) =>
    existsSync(path),
  );
  const entries: readonly CpioEntry[] = [
    ...['bin', 'dev', 'etc', 'modules'].map((path) => ({ kind: 'folder' as const, path })),
    // Without it /init has no output until it has mounted /dev.
    { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'file', path: 'bin/busybox', content: await readFile(`${busybox}`), executable: true },
    ...scripts.map((script) => ({ kind: 'file' as const, ...script })),
    ...modules.map(({ name, content }, index) => ({
      kind: 'file' as const,
      path: `modules/${String(index).padStart(2, '0')}-${name}.ko`,
      content,
    })),
  ];
  await writeFile(`${image}/vmlinuz`, await readFile(`${work}/kernel/boot/${kernel}`));
  // An emulated processor spends longer on unpacking than on receiving: the fastest level is the best one.
  await writeFile(`${image}/initrd`, await promisify(gzip)(buildCpio(entries), { level: 1 }));
  await writeFile(`${image}/release`, `${release}\n`);
}

/** The meta package only depends on the kernel of the day. */
async function kernelPackage(): Promise<string> {
  const listing = await runProgram(['apt-cache', 'depends', KERNEL_PACKAGE]);
  const name = /Depends: (linux-image-\d\S*)/.exec(listing)?.[1];
  if (name === undefined)
    throw new TinderboxError('unavailable', `apt knows no kernel for ${KERNEL_PACKAGE}`);
  return name;
}
