import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import type { Log } from './debian-packages.ts';
import { ensurePackage } from './download-packages.ts';
import { aptFor } from './foreign-apt.ts';
import { keepBuilt } from './keep-built.ts';
import { packagesFolder } from './kernel-and-busybox.ts';
import type { LiveImage } from './live-image.ts';
import { runProgram } from './run-program.ts';

/** Counts up when what is put together here changes. */
const RECIPE = 1;
const PROCESSOR = 'arm64';
/**
 * Where the parts lie in memory, as systemd's own ukify laid them out: behind the stub and apart from each other. The
 * kernel has 32 MiB, which Debian's of 27 fits into.
 */
const SECTIONS = [
  { name: '.cmdline', at: 0x30000, flags: 'data,readonly' },
  { name: '.linux', at: 0x1000000, flags: 'code,readonly' },
  { name: '.initrd', at: 0x3000000, flags: 'data,readonly' },
] as const;

/**
 * The path of a unified kernel image for arm64: systemd's stub with the kernel, the initrd and the command line of the
 * live image in one EFI program, which firmware starts by itself. Built into `cache` unless it is there; needs the
 * package binutils-aarch64-linux-gnu. Throws as ensurePackage.
 */
export async function ensureUnifiedKernel(
  { kernel, initrd }: LiveImage,
  cmdline: string,
  { cache, log }: { readonly cache: string; readonly log: Log },
): Promise<string> {
  const packages = packagesFolder(cache, PROCESSOR);
  await mkdir(packages, { recursive: true });
  const apt = await aptFor(PROCESSOR, cache);
  const deb = await ensurePackage(
    packages,
    async () => 'systemd-boot-efi',
    /^systemd-boot-efi_.*\.deb$/,
    log,
    apt,
  );
  const key = createHash('sha256')
    .update(JSON.stringify([RECIPE, deb, cmdline, SECTIONS]))
    .update(await readFile(initrd))
    .update(await readFile(kernel))
    .digest('hex')
    .slice(0, 16);
  const folder = `${cache}/unified-${key}`;
  await keepBuilt(folder, async ({ work, result }) => {
    await runProgram(['dpkg-deb', '--extract', `${packages}/${deb}`, `${work}/root`]);
    await writeFile(`${work}/cmdline`, cmdline);
    const files = { '.cmdline': `${work}/cmdline`, '.linux': kernel, '.initrd': initrd };
    await runProgram([
      'aarch64-linux-gnu-objcopy',
      ...SECTIONS.flatMap(({ name, at, flags }) => [
        '--add-section',
        `${name}=${files[name]}`,
        '--set-section-flags',
        `${name}=${flags}`,
        '--change-section-vma',
        `${name}=0x${at.toString(16)}`,
      ]),
      `${work}/root/usr/lib/systemd/boot/efi/linuxaa64.efi.stub`,
      `${result}/linux.efi`,
    ]);
  });
  return `${folder}/linux.efi`;
}
