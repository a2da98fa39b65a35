import type { ImageFile, ImageRequest, ImageVendor } from '../vendor.ts';
import { parseChecksums } from './parse-checksums.ts';
import { compareVersions, requireVersion } from './parse-version.ts';
import { missing } from './refuse-text.ts';

const RELEASES = 'https://releases.ubuntu.com';
/** Canonical has the images for all but PCs on another host, with one more folder. */
const PORTS = 'https://cdimage.ubuntu.com/releases';
const VERSION = /^\d{2}\.\d{2}(?:\.\d{1,2})?$/;
const ISO = 'live-server.iso';

/**
 * Ubuntu's live server, for autoinstall. SHA256SUMS is signed and has the images of all point releases of a series; the
 * files of netboot/ beside it are in no list, and newer than the image that they fetch: another kernel than its modules
 * are for. So kernel and initrd are taken out of the image, which its machine mounts over HTTP (`url=…`). Source:
 * releases.ubuntu.com/24.04/SHA256SUMS, documentation.ubuntu.com/security/software-integrity/image-verification.
 */
export const ubuntu: ImageVendor = {
  name: 'ubuntu',
  description: "Ubuntu's live server, to install",
  channels: ['26.04', '24.04', '22.04'],
  arches: ['amd64', 'arm64'],
  mirror: RELEASES,
  keys: [
    {
      fingerprint: '843938DF228D22F7B3742BC0D94AA3F0EFE21092',
      owner: 'Ubuntu CD Image Automatic Signing Key (2012) <cdimage@ubuntu.com>',
      url: 'https://archive.ubuntu.com/ubuntu/project/ubuntu-archive-keyring.gpg',
    },
  ],
  formats: ['nocloud', 'raw'],
  async plan(request, fetch) {
    const folder = folderOf(request);
    const list = `${folder}/SHA256SUMS`;
    const sums = parseChecksums(await fetch.signed(list, `${list}.gpg`), 'sha256', list);
    const there = [...sums.keys()]
      .map((name) => /^ubuntu-([0-9.]+)-live-server-([a-z0-9]+)\.iso$/.exec(name))
      .filter((match) => match?.[2] === request.arch && isOfSeries(match[1], request.channel))
      .map((match) => match?.[1] ?? '')
      .sort(compareVersions);
    const wanted =
      request.version === undefined ? there[0] : requireVersion(request.version, VERSION, '24.04.4');
    const upstream = `ubuntu-${wanted}-live-server-${request.arch}.iso`;
    const hex = sums.get(upstream);
    if (wanted === undefined || hex === undefined || !there.includes(wanted)) {
      throw missing(`Ubuntu ${wanted ?? request.channel} for ${request.arch} in ${request.channel}`, there);
    }
    const url = `${folder}/${upstream}`;
    const member = (name: string, path: string): ImageFile => ({
      name,
      url,
      proof: { kind: 'member', of: ISO, path },
    });
    return {
      version: wanted,
      files: [
        { name: ISO, url, proof: { kind: 'checksum', algorithm: 'sha256', hex, from: list, signed: true } },
        member('vmlinuz', 'casper/vmlinuz'),
        member('initrd', 'casper/initrd'),
      ],
    };
  },
};

function folderOf({ channel, arch, mirror }: ImageRequest): string {
  if (arch === 'amd64') return `${mirror}/${channel}`;
  return `${mirror === RELEASES ? PORTS : mirror}/${channel}/release`;
}

function isOfSeries(version: string | undefined, series: string): boolean {
  return (
    version !== undefined && VERSION.test(version) && (version === series || version.startsWith(`${series}.`))
  );
}
