import { join } from 'node:path';
import type { Config } from './config/port.ts';
import { TinderboxError, toTinderboxError } from './errors.ts';
import { CURRENT } from './images/image-folder.ts';
import { type KeptPullThrough, openPullThrough, type PullThroughOptions } from './images/pull-through.ts';
import { PULLED_FOLDER } from './images/pulled-store.ts';
import { IMAGE_VENDORS } from './images/vendors/index.ts';

/** Of `assets.pullThrough`; undefined without it. Throws TinderboxError `invalid-config` where nothing can be kept. */
export async function openPullThroughOf(
  { assets: { pullThrough }, paths }: Pick<Config, 'assets' | 'paths'>,
  by: Pick<PullThroughOptions, 'count' | 'logger' | 'now'>,
): Promise<KeptPullThrough | undefined> {
  if (pullThrough === undefined) return undefined;
  const folder = join(paths.assets, PULLED_FOLDER);
  try {
    return await openPullThrough({
      ...pullThrough,
      ...by,
      folder,
      freshFor: pullThrough.freshFor * 1000,
      isImmutable: isVersionOfImage,
    });
  } catch (thrown) {
    const { message } = toTinderboxError(thrown);
    throw new TinderboxError('invalid-config', `assets.pullThrough keeps files in ${folder}: ${message}`, {
      cause: thrown,
      remedy: 'Let the user that Tinderbox runs as write there, or leave assets.pullThrough out.',
    });
  }
}

/** Pulled images are whole and proven before they get their name, and never change. */
export function isVersionOfImage([image, version, ...rest]: readonly string[]): boolean {
  const isImage = IMAGE_VENDORS.some(({ name }) => image === name || image === `${name}-arm64`);
  return isImage && version !== CURRENT && rest.length > 0;
}
