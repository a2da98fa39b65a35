import { dirname, resolve } from 'node:path';
import { loadConfig } from './config/load.ts';
import type { Config } from './config/port.ts';
import { TinderboxError } from './errors.ts';

/** Where an installed system has it all; nothing but Tinderbox's own is below it. */
const STATE_FOLDER = '/var/lib/tinderbox';

/** A tinderbox.yaml by a stranger could send files to any place of this host: /etc/cron.d as `paths.profiles`. */
export async function refuseElsewhere(configFile: string, config: Config): Promise<void> {
  const present = await loadConfig(configFile).then(
    (loaded) => loaded.config.paths,
    () => undefined,
  );
  for (const name of ['profiles', 'state'] as const) {
    const path = config.paths[name];
    const isNear = [dirname(resolve(configFile)), STATE_FOLDER].some((folder) =>
      path.startsWith(`${folder}/`),
    );
    if (isNear || path === present?.[name]) continue;
    throw new TinderboxError('refused', `the tinderbox.yaml in the backup has paths.${name}: ${path}`, {
      remedy:
        'Without its passphrase anybody may have written that. If you know the backup, and things belong there: --force.',
    });
  }
}
