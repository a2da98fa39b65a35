import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { TinderboxError } from '../errors.ts';
import type { CpioEntry } from './cpio.ts';
import type { Log } from './debian-packages.ts';
import { ensurePackage } from './download-packages.ts';
import { type Apt, aptFor } from './foreign-apt.ts';
import { collectModules } from './kernel-modules.ts';
import type { Processor } from './machine-kinds.ts';
import { runProgram } from './run-program.ts';

/** The file names of two packages in `folder`: what every image of the lab begins with. */
export interface BootPackages {
  readonly folder: string;
  readonly kernelDeb: string;
  readonly busyboxDeb: string;
}

const BUSYBOX_PACKAGE = 'busybox-static';

/** Kept in `<cache>/packages`, or `packages-arm64`. Throws TinderboxError `unavailable` where they cannot be had. */
export async function ensureBootPackages(
  cache: string,
  log: Log,
  processor: Processor = 'amd64',
): Promise<BootPackages> {
  const folder = packagesFolder(cache, processor);
  await mkdir(folder, { recursive: true });
  const apt = await aptFor(processor, cache);
  const kernelDeb = await ensurePackage(
    folder,
    () => kernelPackage(processor, apt),
    /^linux-image-\d.*\.deb$/,
    log,
    apt,
  );
  const busyboxDeb = await ensurePackage(
    folder,
    async () => BUSYBOX_PACKAGE,
    /^busybox-static_.*\.deb$/,
    log,
    apt,
  );
  return { folder, kernelDeb, busyboxDeb };
}

export function packagesFolder(cache: string, processor: Processor): string {
  return processor === 'amd64' ? `${cache}/packages` : `${cache}/packages-${processor}`;
}

export interface BootIngredients {
  readonly kernel: Uint8Array;
  /** The kernel's release, e.g. `6.1.0-56-cloud-amd64`. */
  readonly release: string;
  /** Members of an initramfs: a console, busybox, and `modules` under /modules, named in the order to load them. */
  readonly entries: readonly CpioEntry[];
}

/** Unpacks both packages below `work`, which exists, and takes what an initramfs with these kernel modules wants. */
export async function unpackBootPackages(
  { folder, kernelDeb, busyboxDeb }: BootPackages,
  { work, modules }: { readonly work: string; readonly modules: readonly string[] },
): Promise<BootIngredients> {
  await runProgram(['dpkg-deb', '--extract', `${folder}/${kernelDeb}`, `${work}/kernel`]);
  await runProgram(['dpkg-deb', '--extract', `${folder}/${busyboxDeb}`, `${work}/busybox`]);
  const kernel = (await readdir(`${work}/kernel/boot`)).find((name) => name.startsWith('vmlinuz-'));
  if (kernel === undefined) throw new TinderboxError('unavailable', `${kernelDeb} holds no kernel`);
  const release = kernel.slice('vmlinuz-'.length);
  // Debian 13 merged /lib into /usr.
  const modulesFolder = [`${work}/kernel/lib/modules`, `${work}/kernel/usr/lib/modules`].find((path) =>
    existsSync(path),
  );
  const files = await collectModules(`${modulesFolder}/${release}`, modules);
  const busybox = [`${work}/busybox/bin/busybox`, `${work}/busybox/usr/bin/busybox`].find((path) =>
    existsSync(path),
  );
  const entries: readonly CpioEntry[] = [
    ...['bin', 'dev', 'etc', 'modules'].map((path) => ({ kind: 'folder' as const, path })),
    // Without it /init has no output until it has mounted /dev.
    { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'file', path: 'bin/busybox', content: await readFile(`${busybox}`), executable: true },
    ...files.map(({ name, content }, index) => ({
      kind: 'file' as const,
      path: `modules/${String(index).padStart(2, '0')}-${name}.ko`,
      content,
    })),
  ];
  return { kernel: await readFile(`${work}/kernel/boot/${kernel}`), release, entries };
}

/** The meta package only depends on the kernel of the day. */
async function kernelPackage(processor: Processor, { options }: Apt): Promise<string> {
  const meta = `linux-image-cloud-${processor}`;
  const listing = await runProgram(['apt-cache', ...options, 'depends', meta]);
  const name = /Depends: (linux-image-\d\S*)/.exec(listing)?.[1];
  if (name === undefined) throw new TinderboxError('unavailable', `apt knows no kernel for ${meta}`);
  return name;
}
