import type { VendorFetch } from '../vendor.ts';
import { at, parseJson } from './parse-json.ts';
import { quote, refuseText } from './refuse-text.ts';

/** Where releases are downloaded from; what is newest is said by another host. */
export const GITHUB = 'https://github.com';
const API = 'https://api.github.com';

/** Of one release of `owner/name`. A mirror has the paths of both hosts in one tree. */
export function releaseFile(mirror: string, repository: string, tag: string, file: string): string {
  return `${mirror}/${repository}/releases/download/${tag}/${file}`;
}

/**
 * The newest release that is no pre-release and no draft. Source: docs.github.com/rest/releases, "Get the latest
 * release"; sixty questions an hour are free. Throws TinderboxError `refused`, and what `fetch` throws.
 */
export async function latestTag(
  mirror: string,
  repository: string,
  pattern: RegExp,
  fetch: VendorFetch,
): Promise<string> {
  const url = `${mirror === GITHUB ? API : mirror}/repos/${repository}/releases/latest`;
  const tag = at(parseJson(await fetch.text(url), url), 'tag_name');
  if (typeof tag !== 'string' || !pattern.test(tag)) {
    throw refuseText(url, `no version: ${quote(String(tag))}`);
  }
  return tag;
}
