import type { ImageFile, ImageVendor } from '../vendor.ts';
import { GITHUB, latestTag, releaseFile } from './github.ts';
import { parseChecksums } from './parse-checksums.ts';
import { requireVersion } from './parse-version.ts';
import { refuseText } from './refuse-text.ts';

const REPOSITORY = 'siderolabs/talos';
const VERSION = /^v1\.\d{1,3}\.\d{1,3}$/;

/**
 * Talos Linux. Its files are signed with cosign, without a key that could be confirmed, so the checksums of the release
 * are what is checked. Source: siderolabs/talos .github/workflows/ci.yaml ("Generate Checksums") and .kres.yaml.
 */
export const talos: ImageVendor = {
  name: 'talos',
  description: 'Talos Linux, from memory or to install',
  channels: ['stable'],
  arches: ['amd64', 'arm64'],
  mirror: GITHUB,
  keys: [],
  formats: ['raw'],
  async plan({ version: asked, arch, mirror }, fetch) {
    const version =
      asked === undefined
        ? await latestTag(mirror, REPOSITORY, VERSION, fetch)
        : requireVersion(asked.startsWith('v') ? asked : `v${asked}`, VERSION, 'v1.11.5');
    const list = releaseFile(mirror, REPOSITORY, version, 'sha512sum.txt');
    const sums = parseChecksums(await fetch.text(list), 'sha512', list);
    const file = (name: string, upstream: string): ImageFile => {
      const hex = sums.get(upstream);
      if (hex === undefined) throw refuseText(list, `no ${upstream} in it`);
      const proof = { kind: 'checksum', algorithm: 'sha512', hex, from: list, signed: false } as const;
      return { name, url: releaseFile(mirror, REPOSITORY, version, upstream), proof };
    };
    // Without the processor in their names: the folder has it.
    return {
      version,
      files: [file('vmlinuz', `vmlinuz-${arch}`), file('initramfs.xz', `initramfs-${arch}.xz`)],
    };
  },
};
