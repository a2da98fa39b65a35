import { existsSync } from 'node:fs';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { TinderboxError } from '../errors.ts';
import { runProgram } from './run-program.ts';
import { isRealRoot } from './user-namespace.ts';

/** What namespaces and x86 machines need of Debian; packagesOf (machine-kinds.ts) has what some kinds need besides. */
export const LAB_PACKAGES = ['qemu-system-x86', 'ovmf', 'ipxe', 'ipxe-qemu', 'seabios', 'iproute2'] as const;

export type Log = (line: string) => void;

const POLICY = '/usr/sbin/policy-rc.d';
const INSTALL_TIMEOUT = 600_000;

/**
 * Installs those of `names` that are missing; returns them. Services that come with a package are not started: a
 * DHCP or TFTP server must not appear on this host's own network because of a test.
 *
 * Throws TinderboxError `refused` with the command to run if this is not root; `unavailable` if this is no Debian or
 * apt fails.
 */
export async function ensureDebianPackages(
  names: readonly string[],
  { log }: { readonly log: Log },
): Promise<readonly string[]> {
  const missing = await missingDebianPackages(names);
  if (missing.length === 0) return [];
  const command = `apt-get install --no-install-recommends ${missing.join(' ')}`;
  if (!(await isRealRoot())) {
    throw new TinderboxError('refused', `Debian packages are missing: ${missing.join(', ')}`, {
      remedy: `Run once: sudo ${command}`,
    });
  }
  log(`installing ${missing.join(', ')}`);
  await withoutServiceStarts(async () => {
    try {
      await aptInstall(missing);
    } catch {
      // The lists are old or were never fetched.
      await aptUpdate();
      await aptInstall(missing);
    }
  });
  return missing;
}

/** Those of `names` that dpkg does not have installed. Throws `unavailable` where there is no dpkg. */
export async function missingDebianPackages(names: readonly string[]): Promise<readonly string[]> {
  let status: string;
  try {
    status = await runProgram(['dpkg-query', '--show', '--showformat', '${Package} ${db:Status-Status}\\n']);
  } catch (cause) {
    throw new TinderboxError('unavailable', 'this host has no dpkg: the lab installs itself only on Debian', {
      cause,
      remedy: `Install what these Debian packages hold: ${names.join(', ')}.`,
    });
  }
  const installed = new Set(
    status
      .split('\n')
      .flatMap((line) => (line.endsWith(' installed') ? [line.slice(0, line.indexOf(' '))] : [])),
  );
  return names.filter((name) => !installed.has(name));
}

export async function aptUpdate(): Promise<void> {
  await apt(['update']);
}

async function aptInstall(names: readonly string[]): Promise<void> {
  await apt(['install', '--yes', '--no-install-recommends', ...names]);
}

async function apt(args: readonly string[]): Promise<void> {
  const quiet = ['env', 'DEBIAN_FRONTEND=noninteractive', 'LC_ALL=C'];
  try {
    await runProgram([...quiet, 'apt-get', '-q', '-o', 'DPkg::Lock::Timeout=60', ...args], {
      timeout: INSTALL_TIMEOUT,
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TinderboxError('unavailable', `apt could not install: ${reason}`, {
      cause,
      remedy: 'Check that this host reaches its Debian mirror, then run this again.',
    });
  }
}

/** invoke-rc.d asks this file before it starts anything; 101 forbids it (Debian policy, chapter 9.3.3). */
async function withoutServiceStarts(work: () => Promise<void>): Promise<void> {
  const ours = !existsSync(POLICY);
  if (ours) {
    await writeFile(POLICY, '#!/bin/sh\nexit 101\n');
    await chmod(POLICY, 0o755);
  }
  try {
    await work();
  } finally {
    if (ours) await rm(POLICY, { force: true });
  }
}
