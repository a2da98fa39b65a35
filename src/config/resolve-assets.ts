import { parseDuration, parseSize } from '../document/parse-units.ts';
import { parseIpv4, parseNetwork } from '../machine/ipv4.ts';
import type { AssetsConfig } from './port.ts';
import type { Reporter } from './reporter.ts';
import type { RawConfig } from './schema.ts';

type RawAssets = NonNullable<RawConfig['assets']>;

/** The block `assets`: mirrors with their places, and where what is missing is fetched. */
export function resolveAssets(raw: RawAssets, report: Reporter): AssetsConfig {
  const mirrors = (raw.mirrors ?? []).flatMap((mirror, index) => {
    const path = ['assets', 'mirrors', index];
    const relay = mirror.relay === undefined ? undefined : parseIpv4(mirror.relay);
    const subnet = mirror.subnet === undefined ? undefined : parseNetwork(mirror.subnet);
    if (mirror.relay === undefined && mirror.subnet === undefined) {
      report.error(path, 'the mirror says for which machines it is neither by relay nor by subnet', {
        remedy: 'Add relay: ADDRESS (of the relay agent), or subnet: NETWORK (of the machines).',
      });
    }
    if (mirror.subnet !== undefined && subnet === undefined) {
      report.error([...path, 'subnet'], `${mirror.subnet} is no network`);
    }
    checkServer(mirror.url, [...path, 'url'], report);
    if (mirror.url.startsWith('https:')) {
      report.warn(
        [...path, 'url'],
        `${mirror.url}: iPXE fetches by https only from servers that it trusts, and GRUB never`,
        { remedy: 'Use http, unless your iPXE was built with your authority (TRUST=).' },
      );
    }
    return [
      {
        url: withoutSlash(mirror.url),
        ...(relay === undefined ? {} : { relay }),
        ...(subnet === undefined ? {} : { subnet }),
        line: report.lineOf(path),
      },
    ];
  });
  const pull = raw.pullThrough;
  if (pull === undefined) return { mirrors };
  checkServer(pull.from, ['assets', 'pullThrough', 'from'], report);
  return {
    mirrors,
    pullThrough: {
      from: withoutSlash(pull.from),
      maxBytes: parseSize(pull.maxBytes ?? '20GB') ?? 20e9,
      freshFor: parseDuration(pull.freshFor ?? '1m') ?? 60,
      fetches: pull.fetches ?? 4,
      line: report.lineOf(['assets', 'pullThrough']),
    },
  };
}

/** It is put before `/assets/…`: who wrote that already would get it twice. */
function checkServer(text: string, path: readonly (string | number)[], report: Reporter): void {
  if (URL.parse(text) === null) report.error(path, `${text} is no URL`);
  else if (/\/assets\/?$/.test(text)) {
    report.error(path, `${text} ends with /assets, which is put behind it`, {
      remedy: `Write ${text.replace(/\/assets\/?$/, '')}.`,
    });
  }
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
