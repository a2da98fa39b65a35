import { TinderboxError } from '../../errors.ts';
import type { ImageArch, ImageFile, ImageRequest, ImageVendor, VendorFetch, VendorKey } from '../vendor.ts';
import {
  buildFolder,
  COREOS_VERSION,
  type PxeBuild,
  parseReleaseIndex,
  parseStream,
} from './parse-stream.ts';
import { requireVersion } from './parse-version.ts';
import { refuseText } from './refuse-text.ts';

const ARCHES: Readonly<Record<ImageArch, string>> = { amd64: 'x86_64', arm64: 'aarch64' };

/**
 * Each release of Fedora has a key of its own, made a year before: a new one has to be added here for each. Fingerprints of
 * the keys in rpm-software-management/distribution-gpg-keys (keys/fedora/RPM-GPG-KEY-fedora-<release>-primary).
 */
const KEYS: Readonly<Record<string, string>> = {
  '43': 'C6E7F081CF80E13146676E88829B606631645531',
  '44': '36F612DCF27F7D1A48A835E4DBFCF71C6D9F90A6',
  '45': '4F50A6114CD5C6976A7F1179655A4B02F577861E',
  '46': 'D924B10D3E810DABDD8B56B596E7E91491211FCE',
};

/**
 * Fedora CoreOS. What is newest of a stream says streams/<stream>.json, which is not signed: its HTTPS is all there is.
 * The files have detached signatures by the key of their Fedora release. Source: coreos/fedora-coreos-streams,
 * coreos/coreos-installer (src/source.rs), docs.fedoraproject.org/en-US/fedora-coreos/update-barrier-signing-keys.
 */
export const fcos: ImageVendor = {
  name: 'fcos',
  description: 'Fedora CoreOS, from memory or to install',
  channels: ['stable', 'testing', 'next'],
  arches: ['amd64', 'arm64'],
  mirror: 'https://builds.coreos.fedoraproject.org',
  keys: Object.entries(KEYS).map(
    ([release, fingerprint]): VendorKey => ({
      fingerprint,
      owner: `Fedora (${release}) <fedora-${release}-primary@fedoraproject.org>`,
      url: 'https://fedoraproject.org/fedora.gpg',
    }),
  ),
  formats: ['ignition'],
  async plan(request, fetch) {
    const { version, names } = await findBuild(request, fetch);
    const folder = `${request.mirror}/${buildFolder(request.channel, version, ARCHES[request.arch])}`;
    const file = (name: string, upstream: string): ImageFile => ({
      name,
      url: `${folder}/${upstream}`,
      proof: { kind: 'signature', url: `${folder}/${upstream}.sig` },
    });
    // Upstream's names have version and processor in them, and a role names its files once.
    return {
      version,
      files: [
        file('kernel', names.kernel),
        file('initramfs.img', names.initramfs),
        file('rootfs.img', names.rootfs),
      ],
    };
  },
};

async function findBuild(
  { channel, version, arch, mirror }: ImageRequest,
  fetch: VendorFetch,
): Promise<PxeBuild> {
  if (version === undefined) {
    const url = `${mirror}/streams/${channel}.json`;
    return parseStream(await fetch.text(url), channel, ARCHES[arch], url);
  }
  const wanted = requireVersion(version, COREOS_VERSION, '44.20260607.3.1');
  const url = `${mirror}/prod/streams/${channel}/builds/${wanted}/release.json`;
  const text = await fetch.text(url).catch(async (thrown: unknown) => {
    if (!(thrown instanceof TinderboxError) || thrown.code !== 'not-found') throw thrown;
    const index = `${mirror}/prod/streams/${channel}/releases.json`;
    const there = parseReleaseIndex(await fetch.text(index), index).slice(-3);
    throw new TinderboxError('not-found', `There is no Fedora CoreOS ${wanted} in ${channel}`, {
      cause: thrown,
      remedy: `The newest there are ${there.join(', ')}.`,
    });
  });
  const build = parseStream(text, channel, ARCHES[arch], url);
  if (build.version !== wanted) throw refuseText(url, `says that it is ${build.version}`);
  return build;
}
