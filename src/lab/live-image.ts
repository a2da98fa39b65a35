import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { buildCpio } from './cpio.ts';
import type { Log } from './debian-packages.ts';
import { keepBuilt } from './keep-built.ts';
import { ensureBootPackages, unpackBootPackages } from './kernel-and-busybox.ts';
import type { Processor } from './machine-kinds.ts';
import { readBeside } from './read-beside.ts';

/** A kernel and an initrd that boot from memory and do what live-init.sh says. Absolute paths. */
export interface LiveImage {
  readonly kernel: string;
  readonly initrd: string;
  /** The kernel's release, e.g. `6.1.0-56-cloud-amd64`. */
  readonly release: string;
}

/** Counts up when what is put together here changes. */
const RECIPE = 2;
/** All that a QEMU machine of the lab has. efivarfs: whether Secure Boot is on. */
const MODULES = ['virtio_pci', 'virtio_net', 'virtio_blk', 'efivarfs'];

/**
 * The live image of the lab, built into `cache` unless it is there already: from Debian's packages, which are
 * downloaded and unpacked but not installed, so that any user can do it. Packages are kept in the cache too; remove
 * the folder to get newer ones.
 *
 * Throws TinderboxError `unavailable` where the packages cannot be had.
 */
export async function ensureLiveImage({
  cache,
  log,
  processor = 'amd64',
}: {
  readonly cache: string;
  readonly log: Log;
  /** Whose programs it holds; amd64 unless told. */
  readonly processor?: Processor;
}): Promise<LiveImage> {
  const packages = await ensureBootPackages(cache, log, processor);
  const scripts = await readScripts();
  const key = createHash('sha256')
    .update(JSON.stringify([RECIPE, packages.kernelDeb, packages.busyboxDeb, MODULES]))
    .update(Buffer.concat(scripts.map(({ content }) => content)))
    .digest('hex')
    .slice(0, 16);
  const folder = `${cache}/image-${key}`;
  await keepBuilt(folder, async ({ work, result }) => {
    log(`building the live image from ${packages.kernelDeb} and ${packages.busyboxDeb}`);
    const { kernel, release, entries } = await unpackBootPackages(packages, { work, modules: MODULES });
    const archive = buildCpio([
      ...entries,
      ...scripts.map((script) => ({ kind: 'file' as const, ...script })),
    ]);
    await writeFile(`${result}/vmlinuz`, kernel);
    // An emulated processor spends longer on unpacking than on receiving: the fastest level is the best one.
    await writeFile(`${result}/initrd`, await promisify(gzip)(archive, { level: 1 }));
    await writeFile(`${result}/release`, `${release}\n`);
  });
  const release = (await readFile(`${folder}/release`, 'utf8')).trim();
  return { kernel: `${folder}/vmlinuz`, initrd: `${folder}/initrd`, release };
}

interface Script {
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable?: boolean;
}

async function readScripts(): Promise<readonly Script[]> {
  const [init, apply, hardware] = await Promise.all([
    readBeside('live-init.sh'),
    readBeside('apply-cloud-config.awk'),
    readBeside('hardware.sh'),
  ]);
  return [
    { path: 'init', content: init, executable: true },
    { path: 'apply-cloud-config.awk', content: apply },
    { path: 'hardware.sh', content: hardware },
  ];
}
