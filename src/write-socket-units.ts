import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { writeFileAtomically } from './catalog/write-file-atomically.ts';
import { TinderboxError, toTinderboxError } from './errors.ts';
import { SOCKETS_DROP_IN, socketUnits } from './socket-units.ts';

/** Where the administrator's units are. */
export const UNIT_FOLDER = '/etc/systemd/system';

export interface SocketUnitsPlan {
  readonly interfaces: readonly string[];
  readonly dhcp: boolean;
  /** The folder of the shipped drop-in of the service. */
  readonly shipped: string;
  readonly folder: string;
}

/**
 * Lets systemd open the ports of these interfaces: the drop-ins of the socket units, and that of the service, which takes
 * its capability away. Returns the files written, and the units that are to be enabled.
 */
export async function writeSocketUnits({ interfaces, dhcp, shipped, folder }: SocketUnitsPlan) {
  const { instances, files } = socketUnits(interfaces, { http: 80, tftp: 69, dhcp, syslog: 514 });
  const dropIn = { path: SOCKETS_DROP_IN, text: await readFile(join(shipped, SOCKETS_DROP_IN), 'utf8') };
  const written: string[] = [];
  // The service loses its capability last, when the sockets are there.
  for (const { path, text } of [...files, dropIn]) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    await writeFileAtomically(file, text, { mode: 0o644 });
    written.push(file);
  }
  return { written, instances };
}

/** Throws TinderboxError `unavailable` with the command that does the same by hand. */
export async function enableUnits(instances: readonly string[]): Promise<void> {
  try {
    await systemctl('enable', ...instances);
    await reloadUnits();
  } catch (cause) {
    const quoted = instances.map((name) => `'${name}'`).join(' ');
    throw new TinderboxError(
      'unavailable',
      `the sockets are not enabled: ${toTinderboxError(cause).message}`,
      {
        cause,
        remedy: `Do it by hand: sudo systemctl enable ${quoted} && sudo systemctl daemon-reload`,
      },
    );
  }
}

/** Throws TinderboxError `unavailable` with the command that does the same by hand. */
export async function disableUnits(instances: readonly string[]): Promise<void> {
  if (instances.length === 0) return;
  try {
    await systemctl('disable', ...instances);
  } catch (cause) {
    const quoted = instances.map((name) => `'${name}'`).join(' ');
    throw new TinderboxError(
      'unavailable',
      `sockets of an earlier init are still enabled: ${toTinderboxError(cause).message}`,
      {
        cause,
        remedy: `Do it by hand: sudo systemctl disable ${quoted} && sudo systemctl daemon-reload`,
      },
    );
  }
}

/** Has systemd read what was removed; throws as execFile does. */
export async function reloadUnits(): Promise<void> {
  if (existsSync('/run/systemd/system')) await systemctl('daemon-reload');
}

async function systemctl(...args: readonly string[]): Promise<void> {
  await promisify(execFile)('systemctl', [...args], { timeout: 60_000 });
}
