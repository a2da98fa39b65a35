import { createHash } from 'node:crypto';
import { TinderboxError } from '../../errors.ts';
import type { ImageFile, ImageRequest, ImageVendor, VendorFetch, VendorKey } from '../vendor.ts';
import { parseChecksums } from './parse-checksums.ts';
import { parseRelease, type Release } from './parse-release.ts';
import { missing, quote, refuseText } from './refuse-text.ts';

const FILES = ['linux', 'initrd.gz'];

/** As debian-archive-keyring has them, of the releases that are channels here and of what signs them until the next one. */
const KEYS: readonly (readonly [fingerprint: string, owner: string, file: string])[] = [
  ['41587F7DB8C774BCCF131416762F67A0B2C39DE4', 'Debian Stable Release Key (13/trixie)', 'release-13.asc'],
  [
    '04B54C3CDCA79751B16BC6B5225629DF75B188BD',
    'Debian Archive Automatic Signing Key (13/trixie)',
    'archive-key-13.asc',
  ],
  ['4D64FEC119C2029067D6E791F8D2585B8783D481', 'Debian Stable Release Key (12/bookworm)', 'release-12.asc'],
  [
    'B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8',
    'Debian Archive Automatic Signing Key (12/bookworm)',
    'archive-key-12.asc',
  ],
];

/**
 * Debian's network installer. The suite's InRelease is signed and has the SHA-256 of the installer's own SHA256SUMS, which
 * has those of its files. `current` there is a link to a folder with a date, which keeps its content: that one is taken,
 * so that a download that goes on tomorrow is of the same installer. Source: the archive itself, dists/trixie.
 */
export const debian: ImageVendor = {
  name: 'debian',
  description: "Debian's network installer",
  channels: ['stable', 'oldstable', 'trixie', 'bookworm'],
  arches: ['amd64', 'arm64'],
  mirror: 'https://deb.debian.org/debian',
  keys: KEYS.map(
    ([fingerprint, owner, file]): VendorKey => ({
      fingerprint,
      owner,
      url: `https://ftp-master.debian.org/keys/${file}`,
      file: '/usr/share/keyrings/debian-archive-keyring.gpg',
    }),
  ),
  formats: ['raw'],
  async plan(request, fetch) {
    const suite = `${request.mirror}/dists/${request.channel}`;
    const from = `${suite}/InRelease`;
    const release = parseRelease(await fetch.signed(from), from);
    const version = requirePointRelease(release, request, from);
    const images = findImages(release, request, from);
    const list = `${suite}/${images}/SHA256SUMS`;
    const sums = parseChecksums(
      await readProven(list, `${images}/SHA256SUMS`, release, fetch),
      'sha256',
      list,
    );
    const files = FILES.map((name): ImageFile => {
      const path = `netboot/debian-installer/${request.arch}/${name}`;
      const hex = sums.get(path);
      if (hex === undefined) throw refuseText(list, `no ${path} in it`);
      const proof = { kind: 'checksum', algorithm: 'sha256', hex, from: list, signed: true } as const;
      return { name, url: `${suite}/${images}/${path}`, proof };
    });
    return { version, files };
  },
};

/** A mirror that has another suite's InRelease in its place, however well signed, is refused. */
function requirePointRelease(release: Release, { channel, version }: ImageRequest, from: string): string {
  if (release.suite !== channel && release.codename !== channel) {
    throw refuseText(from, `is of ${quote(release.suite)} (${quote(release.codename)}), not of ${channel}`);
  }
  if (release.version === undefined) throw refuseText(from, 'no Version in it');
  if (version !== undefined && version !== release.version) {
    throw new TinderboxError('not-found', `There is no Debian ${quote(version)} in ${channel}`, {
      remedy: `An archive has the newest point release only, and its installer needs that archive: ${release.version}.`,
    });
  }
  return release.version;
}

/** The folder with a date that `current` stands for, below the suite's. */
function findImages(release: Release, { channel, arch }: ImageRequest, from: string): string {
  const current = `main/installer-${arch}/current/images/SHA256SUMS`;
  const hex = release.files.get(current)?.hex;
  if (hex === undefined) throw missing(`installer for ${arch} in ${channel}`, []);
  for (const [path, entry] of release.files) {
    const folder = /^(main\/installer-[a-z0-9]+\/\d{8}[a-z0-9.+]*\/images)\/SHA256SUMS$/.exec(path)?.[1];
    if (folder !== undefined && entry.hex === hex) return folder;
  }
  throw refuseText(from, `no folder with a date for ${current}`);
}

async function readProven(url: string, path: string, release: Release, fetch: VendorFetch): Promise<string> {
  const text = await fetch.text(url).catch((thrown: unknown) => {
    if (!(thrown instanceof TinderboxError) || thrown.code !== 'not-found') throw thrown;
    // Seen on a caching mirror: the new InRelease over the tree of the point release before.
    throw new TinderboxError('unavailable', `The mirror's InRelease names ${url}, which is not there`, {
      cause: thrown,
      remedy: 'It is being updated: try again later, or another mirror with --mirror URL.',
    });
  });
  const hex = createHash('sha256').update(text, 'utf8').digest('hex');
  if (hex !== release.files.get(path)?.hex) {
    throw refuseText(url, `its SHA-256 is ${hex}, not what InRelease says`);
  }
  return text;
}
