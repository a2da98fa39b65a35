import { dirname, resolve } from 'node:path';
import { loadConfig, SYSTEM_CONFIG_FILE } from './config/load.ts';
import type { Config } from './config/port.ts';
import { TinderboxError } from './errors.ts';
import { exists } from './restore-plan.ts';

/** Where an installed system has it all; nothing but Tinderbox's own is below it. */
const STATE_FOLDER = '/var/lib/tinderbox';

/** A tinderbox.yaml by a stranger could send files to any place of this host: /etc/cron.d as `paths.profiles`. */
export async function refuseElsewhere(configFile: string, config: Config): Promise<void> {
  const present = await presentPaths(configFile);
  for (const name of ['profiles', 'state'] as const) {
    const path = config.paths[name];
    if (
      isBelow(path, dirname(resolve(configFile))) ||
      isBelow(path, STATE_FOLDER) ||
      path === present?.[name]
    )
      continue;
    throw new TinderboxError('refused', `the tinderbox.yaml in the backup has paths.${name}: ${path}`, {
      remedy:
        'Without its passphrase anybody may have written that. If you know the backup, and things belong there: --force.',
    });
  }
}

/** With `--config` somebody tries a backup; its absolute paths would take the place of what this host lives on. */
export async function refuseReplacing(configFile: string, config: Config): Promise<void> {
  if (resolve(configFile) === SYSTEM_CONFIG_FILE) return;
  const present = await presentPaths(configFile);
  for (const name of ['profiles', 'state'] as const) {
    const path = config.paths[name];
    if (isBelow(path, dirname(resolve(configFile))) || path === present?.[name] || !(await exists(path)))
      continue;
    throw new TinderboxError('refused', `this would replace ${path}, which ${configFile} does not use`, {
      remedy:
        "The paths in the backup's tinderbox.yaml are absolute: try it on another host, look with --dry-run, or, if just this is meant: --force.",
    });
  }
}

function presentPaths(configFile: string): Promise<Config['paths'] | undefined> {
  return loadConfig(configFile).then(
    ({ config }) => config.paths,
    () => undefined,
  );
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}
