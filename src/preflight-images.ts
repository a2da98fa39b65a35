import { realpath } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { Problem } from './errors.ts';
import { findAsset } from './http/asset-file.ts';
import { parseAssetPath } from './http/asset-path.ts';
import { type ImageManifest, readManifest } from './images/image-manifest.ts';
import type { TriedRole } from './preflight-roles.ts';

/**
 * Whether a role fits the image that it boots, by what a pull wrote down of it: its system reads the configuration that
 * the role gives, and kernel and initrd are of one version. Of files that were put there by hand nothing is known.
 */
export async function checkRoleImages(
  assets: string,
  { role, files }: TriedRole,
): Promise<readonly Omit<Problem, 'severity'>[]> {
  const { boot, config, file, name } = role;
  if (boot.kind !== 'kernel' || files === undefined) return [];
  const kernel = await imageOf(assets, files.kernel);
  if (kernel === undefined) return [];
  const problems: Omit<Problem, 'severity'>[] = [];
  const { line } = boot.kernel;
  const { formats } = kernel;
  if (config !== undefined && formats.length > 0 && !formats.includes(config.format)) {
    problems.push({
      file,
      line,
      message: `role ${name} gives ${config.format}, but ${nameOf(kernel)} reads ${formats.join(' or ')}`,
      remedy: 'Give the role a config.format that the image reads, or boot another image.',
    });
  }
  for (const path of files.initrd) {
    const initrd = await imageOf(assets, path);
    if (initrd === undefined || initrd.image !== kernel.image || initrd.version === kernel.version) continue;
    problems.push({
      file,
      line,
      message: `role ${name} boots the kernel of ${nameOf(kernel)} with ${path} of ${nameOf(initrd)}`,
      remedy: `Name both without a version (/assets/${kernel.image}/…), or both with the same one.`,
    });
  }
  return problems;
}

const nameOf = ({ image, version }: ImageManifest): string => `${image} ${version}`;

/** What the file was pulled with, after all links; undefined: nothing is known, or it is not there. */
async function imageOf(assets: string, path: string): Promise<ImageManifest | undefined> {
  const parsed = path.startsWith('/') ? parseAssetPath(path) : undefined;
  if (parsed === undefined || parsed.kind === 'bad') return undefined;
  const found = await findAsset(assets, parsed.segments);
  if (found.kind !== 'file') return undefined;
  const root = await realpath(assets);
  const [image, version, file] = relative(root, found.file.realPath).split(sep);
  if (image === undefined || version === undefined || file === undefined) return undefined;
  // A damaged list is said by `assets list`; it keeps no machine from booting.
  return readManifest(join(root, image, version)).catch(() => undefined);
}
