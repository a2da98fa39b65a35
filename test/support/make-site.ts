import { rmSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/port.ts';
import { createLoggers } from '../../src/logger.ts';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { openAuthorities } from '../../src/pki/open-authorities.ts';
import { loadSessionKey } from '../../src/session-key.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

export const CONFIG = `network: { interface: lo }
dhcp: { mode: server, range: 10.77.0.100-10.77.0.199 }
cluster: { name: rack-1, apiServer: 'https://10.77.0.1:6443' }
`;

let made: string | undefined;

/** A folder as a daemon with a cluster leaves it when it ends: configuration, profiles, database, authorities. */
export async function makeSite(
  t: Test,
  { cluster = true, leases = 3, ownAuthorities = false } = {},
): Promise<Config> {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-site-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'tinderbox.yaml');
  await writeFile(file, cluster ? CONFIG : CONFIG.replace(/cluster.*\n/, ''));
  await mkdir(join(folder, 'profiles/worker'), { recursive: true });
  await mkdir(join(folder, 'assets/flatcar'), { recursive: true });
  await mkdir(join(folder, 'var'), { mode: 0o700 });
  await writeFile(join(folder, 'profiles/machines.yaml'), 'default: worker # mine\n');
  await writeFile(join(folder, 'profiles/worker/role.yaml'), 'description: x\n', { mode: 0o600 });
  await symlink('worker', join(folder, 'profiles/alias'));
  await writeFile(join(folder, 'profiles/.machines.yaml.lock.1'), 'left over');
  await writeFile(join(folder, 'assets/flatcar/kernel'), 'k'.repeat(1000));
  const { config } = await loadConfig(file, {});
  const logger = createLoggers({ level: 'silent' }).pki;
  const pki = join(config.paths.state, 'pki');
  // Their keys take seconds to make: sites of one file have the same unless they ask for others.
  if (cluster && made !== undefined && !ownAuthorities) await cp(made, pki, { recursive: true });
  else if (cluster) {
    await openAuthorities({ folder: pki, clock: Date.now, logger });
    made = await mkdtemp(join(tmpdir(), 'tinderbox-pki-'));
    const copy = made;
    process.once('exit', () => rmSync(copy, { recursive: true, force: true }));
    await cp(pki, made, { recursive: true });
  }
  await loadSessionKey(config.paths.state, logger);
  const store = await openStore({
    file: join(config.paths.state, 'tinderbox.db'),
    durability: 'process',
    openedAt: 1,
  });
  await store.commitLeases(
    Array.from({ length: leases }, (_, index) => ({
      address: (0x0a4d0064 + index) as Ipv4,
      mac: `52:54:00:00:00:${index.toString(16).padStart(2, '0')}` as Mac,
      state: 'bound' as const,
      expiresAt: 9e12,
      via: 'lo',
    })),
  );
  await store.close();
  return config;
}
