import { existsSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { TinderboxError } from '../errors.ts';
import type { Log } from './debian-packages.ts';
import { ensurePackage } from './download-packages.ts';
import { keepBuilt } from './keep-built.ts';
import { runProgram } from './run-program.ts';

const PACKAGE = 'debian-installer-12-netboot-amd64';

/** 130 MB of xz, on a host that has other things to do. */
const EXTRACT_TIME = 600_000;

/** Absolute paths. */
export interface DebianInstaller {
  readonly kernel: string;
  readonly initrd: string;
}

/** Debian's own installer for the network, from the package that holds it. Throws `unavailable` where it cannot be had. */
export async function ensureDebianInstaller({
  cache,
  log,
}: {
  readonly cache: string;
  readonly log: Log;
}): Promise<DebianInstaller> {
  const packages = `${cache}/packages`;
  await mkdir(packages, { recursive: true });
  const file = await ensurePackage(packages, async () => PACKAGE, new RegExp(`^${PACKAGE}_.*\\.deb$`), log);
  const folder = `${cache}/${file.replace(/\.deb$/, '')}`;
  await keepBuilt(folder, async ({ work, result }) => {
    await runProgram(['dpkg-deb', '--extract', `${packages}/${file}`, `${work}/installer`], {
      timeout: EXTRACT_TIME,
    });
    const images = `${work}/installer/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64`;
    if (!existsSync(images)) throw new TinderboxError('unavailable', `${file} holds no installer`);
    for (const name of ['linux', 'initrd.gz']) await cp(`${images}/${name}`, `${result}/${name}`);
  });
  return { kernel: `${folder}/linux`, initrd: `${folder}/initrd.gz` };
}
