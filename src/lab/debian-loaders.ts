import { createHash } from 'node:crypto';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import type { Log } from './debian-packages.ts';
import { ensurePackage } from './download-packages.ts';
import { aptFor } from './foreign-apt.ts';
import { keepBuilt } from './keep-built.ts';
import { packagesFolder } from './kernel-and-busybox.ts';
import type { Processor } from './machine-kinds.ts';
import { runProgram } from './run-program.ts';

/** Loaders for UEFI beside iPXE, for assets/ipxe. Absolute paths. */
export interface DebianLoaders {
  /** Signed by Microsoft; loads `grubx64.efi` or `grubaa64.efi` from beside itself. */
  readonly shim: string;
  /** Signed by Debian. Takes its configuration from /grub/grub.cfg of the server that PXE got it from; knows no HTTP. */
  readonly signedGrub: string;
  /** Made here, unsigned: asks for an address itself, and has all of GRUB's modules for a network. */
  readonly grub: string;
}

/** Counts up when what is put together here changes. */
const RECIPE = 1;
/** Its commands are those of what Tinderbox generates; the rest is for somebody at the console. */
const MODULES =
  `boot configfile echo efinet halt help http linux ls minicmd net normal reboot regexp sleep smbios
  test tftp true`.split(/\s+/);
/**
 * Started by PXE, GRUB finds its address with the firmware; by UEFI HTTP boot it does not (2.06, seen), and asks for one.
 * No server is named: that is the one which DHCP names, as for every loader.
 */
const CONFIG = `if [ -z "$net_default_server" ]; then net_dhcp; fi
source (http,$net_default_server)/grub.cfg
`;

const PLATFORM = {
  amd64: { efi: 'x64', grub: 'x86_64-efi' },
  arm64: { efi: 'aa64', grub: 'arm64-efi' },
} as const;

/**
 * Debian's loaders for a processor, built into `cache` unless they are there: from packages that are downloaded and
 * unpacked, not installed. Needs the package grub-common. Throws as ensurePackage.
 */
export async function ensureDebianLoaders({
  cache,
  log,
  processor = 'amd64',
}: {
  readonly cache: string;
  readonly log: Log;
  readonly processor?: Processor;
}): Promise<DebianLoaders> {
  const packages = packagesFolder(cache, processor);
  await mkdir(packages, { recursive: true });
  const apt = await aptFor(processor, cache);
  const names = ['shim-signed', `grub-efi-${processor}-signed`, `grub-efi-${processor}-bin`];
  const debs: string[] = [];
  for (const name of names) {
    debs.push(await ensurePackage(packages, async () => name, new RegExp(`^${name}_.*\\.deb$`), log, apt));
  }
  const key = createHash('sha256')
    .update(JSON.stringify([RECIPE, debs, MODULES, CONFIG]))
    .digest('hex')
    .slice(0, 16);
  const folder = `${cache}/loaders-${key}`;
  await keepBuilt(folder, async ({ work, result }) => {
    log(`building loaders from ${debs.join(', ')}`);
    for (const deb of debs) await runProgram(['dpkg-deb', '--extract', `${packages}/${deb}`, `${work}/root`]);
    const { efi, grub } = PLATFORM[processor];
    const root = `${work}/root/usr/lib`;
    await copyFile(`${root}/shim/shim${efi}.efi.signed`, `${result}/shim.efi`);
    await copyFile(`${root}/grub/${grub}-signed/grubnet${efi}.efi.signed`, `${result}/signed-grub.efi`);
    await writeFile(`${work}/grub.cfg`, CONFIG);
    await runProgram([
      'grub-mkstandalone',
      `--format=${grub}`,
      `--directory=${root}/grub/${grub}`,
      `--output=${result}/grub.efi`,
      `--modules=${MODULES.join(' ')}`,
      '--install-modules=',
      '--fonts=',
      '--locales=',
      '--themes=',
      `boot/grub/grub.cfg=${work}/grub.cfg`,
    ]);
  });
  return {
    shim: `${folder}/shim.efi`,
    signedGrub: `${folder}/signed-grub.efi`,
    grub: `${folder}/grub.efi`,
  };
}
