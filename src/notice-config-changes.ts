import { isDeepStrictEqual } from 'node:util';
import { loadConfig } from './config/load.ts';
import type { Config } from './config/port.ts';
import { toTinderboxError } from './errors.ts';
import type { Logger } from './logger.ts';

export interface ConfigNotice {
  /** Reads tinderbox.yaml again and warns of what would be different at the next start: once of each change. */
  look(): Promise<void>;
}

/**
 * tinderbox.yaml is read at the start only, and who asks for a reload after an edit would wait for it to take effect.
 * `read` gives the configuration as it is now, and throws as loadConfig does.
 */
export function noticeConfigChanges(
  started: Config,
  logger: Pick<Logger, 'warn'>,
  read: () => Promise<Config> = async () => (await loadConfig(started.file)).config,
): ConfigNotice {
  let said: Config | string = started;
  const { file } = started;
  return {
    async look() {
      try {
        const now = withoutLines(await read());
        if (isDeepStrictEqual(now, typeof said === 'string' ? said : withoutLines(said))) return;
        said = now;
        const changed = changedKeys(withoutLines(started), now);
        // Undone: there is nothing left that would take effect.
        if (changed.length === 0) return;
        logger.warn(
          `${file}: changes of ${changed.join(', ')} take effect at the next start: systemctl restart tinderbox`,
        );
      } catch (thrown) {
        const { message } = toTinderboxError(thrown);
        if (said === message) return;
        said = message;
        logger.warn(`${file} was changed, and the next start would refuse it: ${message}`);
      }
    },
  };
}

function changedKeys(before: Config, now: Config): readonly string[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])] as (keyof Config)[];
  return keys.filter((key) => !isDeepStrictEqual(before[key], now[key])).toSorted();
}

/** A comment moves what is below it, and changes nothing. */
function withoutLines(config: Config): Config {
  const subnets = config.dhcp.subnets.map((subnet) => ({ ...subnet, line: 0 }));
  return { ...config, dhcp: { ...config.dhcp, subnets } };
}
