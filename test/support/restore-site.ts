import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Config } from '../../src/config/port.ts';
import { makeBackup } from '../../src/make-backup.ts';
import { RESTORE_PARTS, type RestoreOptions, restoreBackup } from '../../src/restore-backup.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

export const NOW = Date.UTC(2027, 0, 2, 3, 4, 5);
export const STAMP = 'before-restore-2027-01-02T03-04-05Z';
export const PASSPHRASE = 'correct horse battery';

export async function backUp(t: Test, config: Config): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-backup-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'backup.tar.gz');
  await makeBackup({ config, to: { file, force: false }, passphrase: PASSPHRASE, now: NOW });
  return file;
}

export const restore = (file: string, configFile: string, more: Partial<RestoreOptions> = {}) =>
  restoreBackup({
    file,
    configFile,
    parts: RESTORE_PARTS,
    dryRun: false,
    force: false,
    passphrase: async () => PASSPHRASE,
    refuseDaemon: async () => undefined,
    now: NOW,
    ...more,
  });

export async function leasesOf(state: string): Promise<readonly number[]> {
  const store = await openStore({ file: join(state, 'tinderbox.db'), durability: 'process', openedAt: NOW });
  const { leases } = await store.load();
  await store.close();
  return leases.map(({ address }) => address);
}

export function emptyFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-new-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Names and contents below a folder: two that are the same are the same installation. */
export function snapshot(folder: string): Readonly<Record<string, string>> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    entries
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.lock'))
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return [path.slice(folder.length + 1), createHash('sha256').update(readFileSync(path)).digest('hex')];
      }),
  );
}
