import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { collectPrograms } from './collect-programs.ts';
import { buildCpio } from './cpio.ts';
import type { Log } from './debian-packages.ts';
import { ensurePackageSet } from './download-packages.ts';
import { runProgram } from './run-program.ts';

/** Counts up when what is put together here changes. */
const RECIPE = 1;
const PACKAGES = ['openssl', 'curl'];
const PROGRAMS = ['usr/bin/openssl', 'usr/bin/curl'];
/** `openssl req` reads it before anything else. */
const OPENSSL_CONFIG = 'usr/lib/ssl/openssl.cnf';

/**
 * The path of an initrd with what a machine needs to join a cluster, openssl and curl: beside the live image's own,
 * since the kernel unpacks all initrds one over the other, and a machine that joins nothing need not load it. Built
 * into `cache` unless it is there; throws as ensureLiveImage.
 */
export async function ensureJoinInitrd({
  cache,
  log,
}: {
  readonly cache: string;
  readonly log: Log;
}): Promise<string> {
  await mkdir(cache, { recursive: true });
  const packages = `${cache}/join-packages`;
  const debs = await ensurePackageSet(packages, PACKAGES, log);
  const key = createHash('sha256')
    .update(JSON.stringify([RECIPE, debs]))
    .digest('hex')
    .slice(0, 16);
  const file = `${cache}/join-${key}`;
  if (!existsSync(file)) {
    log(`building the initrd for joining from ${debs.length} packages`);
    const work = `${cache}/work-${randomUUID()}`;
    try {
      await mkdir(work);
      for (const deb of debs)
        await runProgram(['dpkg-deb', '--extract', `${packages}/${deb}`, `${work}/root`]);
      const entries = await collectPrograms(`${work}/root`, PROGRAMS);
      const config = await readFile(`${work}/root/etc/ssl/openssl.cnf`);
      const archive = buildCpio([
        ...entries,
        ...['usr/lib', 'usr/lib/ssl'].map((path) => ({ kind: 'folder' as const, path })),
        { kind: 'file', path: OPENSSL_CONFIG, content: config },
      ]);
      await writeFile(`${work}/initrd`, await promisify(gzip)(archive, { level: 1 }));
      await rename(`${work}/initrd`, file);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  return file;
}
