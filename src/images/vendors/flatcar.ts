import { TinderboxError } from '../../errors.ts';
import type { ImageFile, ImageRequest, ImageVendor, VendorFetch } from '../vendor.ts';
import { parseVersionField, requireVersion } from './parse-version.ts';
import { quote, refuseText } from './refuse-text.ts';

/** What stands for all channels: each has a host of its own. A mirror has a folder for each. */
const STABLE = 'https://stable.release.flatcar-linux.net';
const VERSION = /^\d{4}\.\d{1,3}\.\d{1,3}$/;
/** What boots from memory; the second is the whole system (flatcar.org/docs/latest/installing/bare-metal/booting-with-ipxe). */
const FILES = ['flatcar_production_pxe.vmlinuz', 'flatcar_production_pxe_image.cpio.gz'];

/**
 * Flatcar Container Linux: <channel's host>/<arch>-usr/<version or "current">/, every file with a detached signature
 * beside it (`.sig`), version.txt too. Source: flatcar.org/docs/latest/installing/community-platforms/notes-for-distributors,
 * flatcar/sysext-bakery (bake_flatcar_image.sh: version.txt.sig), flatcar/init bin/flatcar-install, matchbox get-flatcar.
 */
export const flatcar: ImageVendor = {
  name: 'flatcar',
  description: 'Flatcar Container Linux, from memory',
  channels: ['stable', 'beta', 'alpha', 'lts'],
  arches: ['amd64', 'arm64'],
  mirror: STABLE,
  keys: [
    {
      // As flatcar/init's bin/flatcar-install names and carries it. Files are signed by its subkeys, which change.
      fingerprint: 'F88CFEDEFF29A5B4D9523864E25D9AED0593B34A',
      owner: 'Flatcar Buildbot (Official Builds) <buildbot@flatcar-linux.org>',
      url: 'https://www.flatcar.org/security/image-signing-key/Flatcar_Image_Signing_Key.asc',
    },
  ],
  formats: ['ignition', 'cloud-config'],
  async plan(request, fetch) {
    const folder = folderOf(request);
    const version =
      request.version === undefined
        ? await readVersion(`${folder}/current`, fetch)
        : await findVersion(folder, requireVersion(request.version, VERSION, '4230.2.2'), request, fetch);
    const files = FILES.map((name): ImageFile => {
      const url = `${folder}/${version}/${name}`;
      return { name, url, proof: { kind: 'signature', url: `${url}.sig` } };
    });
    return { version, files };
  },
};

function folderOf({ channel, arch, mirror }: ImageRequest): string {
  const base = mirror === STABLE ? `https://${channel}.release.flatcar-linux.net` : `${mirror}/${channel}`;
  return `${base}/${arch}-usr`;
}

/** What the vendor's own signature says that the folder holds. */
async function readVersion(folder: string, fetch: VendorFetch): Promise<string> {
  const url = `${folder}/version.txt`;
  return parseVersionField(await fetch.signed(url, `${url}.sig`), 'FLATCAR_VERSION', VERSION, url);
}

async function findVersion(
  folder: string,
  version: string,
  { channel, arch }: ImageRequest,
  fetch: VendorFetch,
): Promise<string> {
  try {
    const found = await readVersion(`${folder}/${version}`, fetch);
    if (found === version) return version;
    throw refuseText(`${folder}/${version}/version.txt`, `says that it is ${quote(found)}`);
  } catch (thrown) {
    if (!(thrown instanceof TinderboxError) || thrown.code !== 'not-found') throw thrown;
    const newest = await readVersion(`${folder}/current`, fetch);
    throw new TinderboxError('not-found', `There is no Flatcar ${version} for ${arch} in ${channel}`, {
      cause: thrown,
      remedy: `The newest there is ${newest}. Another channel has others: --channel beta.`,
    });
  }
}
