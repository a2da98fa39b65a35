import { TinderboxError } from '../../errors.ts';
import type { ImageFile, ImageRequest, ImageVendor, VendorFetch } from '../vendor.ts';
import { GITHUB, releaseFile } from './github.ts';
import { parseChecksum } from './parse-checksums.ts';
import { parseVersionText, requireVersion } from './parse-version.ts';

const DOWNLOADS = 'https://dl.k8s.io';
const VERSION = /^v1\.\d{1,3}\.\d{1,3}$/;
/** With or without the `v`; without the last number, the newest of that minor version. */
const ASKED = /^v?1\.\d{1,3}(?:\.\d{1,3})?$/;

/**
 * The CNI plugins belong to no version of Kubernetes: containerd calls them, by the CNI specification. This is the newest
 * release when Tinderbox was released; it is raised here by hand.
 */
const CNI_PLUGINS = 'v1.9.1';

/**
 * Programs for nodes, under the names that the roles fetch (assets/README.md). Nothing of it is signed with OpenPGP:
 * checksums that come over HTTPS, from the hosts that the files come from. `crictl` has a `.0` for each minor version of
 * Kubernetes ("recommended to use the same minor version": kubernetes-sigs/cri-tools README). Source:
 * kubernetes.io/docs/tasks/tools/install-kubectl-linux (dl.k8s.io), containernetworking/plugins scripts/release.sh
 * (`.sha256` beside each archive), kubernetes-sigs/kubespray scripts/component_hash_update (crictl's `.sha256`).
 */
export const kubernetes: ImageVendor = {
  name: 'kubernetes',
  description: 'kubelet, kubectl, CNI plugins and crictl for the roles of a cluster',
  channels: ['stable'],
  arches: ['amd64', 'arm64'],
  mirror: DOWNLOADS,
  keys: [],
  formats: [],
  async plan(request, fetch) {
    const version = await findVersion(request, fetch);
    const { arch, mirror } = request;
    const github = mirror === DOWNLOADS ? GITHUB : mirror;
    const crictl = `${version.split('.').slice(0, 2).join('.')}.0`;
    const cniFile = `cni-plugins-linux-${arch}-${CNI_PLUGINS}.tgz`;
    const crictlFile = `crictl-${crictl}-linux-${arch}.tar.gz`;
    const program = (name: string) => ({
      name,
      upstream: name,
      url: `${mirror}/release/${version}/bin/linux/${arch}/${name}`,
    });
    const places = [
      program('kubelet'),
      program('kubectl'),
      {
        name: 'cni-plugins.tgz',
        upstream: cniFile,
        url: releaseFile(github, 'containernetworking/plugins', CNI_PLUGINS, cniFile),
      },
      {
        name: 'crictl.tar.gz',
        upstream: crictlFile,
        url: releaseFile(github, 'kubernetes-sigs/cri-tools', crictl, crictlFile),
      },
    ];
    const files: ImageFile[] = [];
    const lines: string[] = [];
    for (const { name, upstream, url } of places) {
      const from = `${url}.sha256`;
      const hex = parseChecksum(await readChecksum(from, mirror, fetch), 'sha256', upstream, from);
      files.push({ name, url, proof: { kind: 'checksum', algorithm: 'sha256', hex, from, signed: false } });
      lines.push(`${hex}  ${name}\n`);
    }
    return { version, files, texts: [{ name: 'SHA256SUMS', text: lines.join('') }] };
  },
};

async function findVersion(
  { version, mirror }: Pick<ImageRequest, 'version' | 'mirror'>,
  fetch: VendorFetch,
): Promise<string> {
  const asked = version === undefined ? undefined : requireVersion(version, ASKED, 'v1.36.0, or v1.36');
  const full = asked === undefined || asked.startsWith('v') ? asked : `v${asked}`;
  if (full !== undefined && VERSION.test(full)) return full;
  const url = `${mirror}/release/stable${full === undefined ? '' : `-${full.slice(1)}`}.txt`;
  return parseVersionText(await fetch.text(url), VERSION, url);
}

/** A version that was never released shows here first. */
async function readChecksum(url: string, mirror: string, fetch: VendorFetch): Promise<string> {
  try {
    return await fetch.text(url);
  } catch (thrown) {
    if (!(thrown instanceof TinderboxError) || thrown.code !== 'not-found') throw thrown;
    const newest = await findVersion({ mirror }, fetch).catch(() => undefined);
    throw new TinderboxError('not-found', `There is no ${url}`, {
      cause: thrown,
      remedy: `Ask for another version${newest === undefined ? '' : `: the newest is ${newest}`}.`,
    });
  }
}
