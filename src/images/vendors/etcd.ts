import type { ImageVendor } from '../vendor.ts';
import { GITHUB, latestTag, releaseFile } from './github.ts';
import { parseChecksums } from './parse-checksums.ts';
import { requireVersion } from './parse-version.ts';
import { missing } from './refuse-text.ts';

const REPOSITORY = 'etcd-io/etcd';
const VERSION = /^v3\.\d{1,3}\.\d{1,3}$/;

/**
 * etcd for controllers and members, under the name that the roles fetch. Its releases have a SHA256SUMS of all archives,
 * which nobody signed. Source: etcd-io/etcd scripts/release.sh.
 */
export const etcd: ImageVendor = {
  name: 'etcd',
  description: 'etcd, etcdctl and etcdutl for the roles of a cluster',
  channels: ['stable'],
  arches: ['amd64', 'arm64'],
  mirror: GITHUB,
  keys: [],
  formats: [],
  async plan({ version: asked, arch, mirror }, fetch) {
    const version =
      asked === undefined
        ? await latestTag(mirror, REPOSITORY, VERSION, fetch)
        : requireVersion(asked.startsWith('v') ? asked : `v${asked}`, VERSION, 'v3.6.5');
    const list = releaseFile(mirror, REPOSITORY, version, 'SHA256SUMS');
    const sums = parseChecksums(await fetch.text(list), 'sha256', list);
    const upstream = `etcd-${version}-linux-${arch}.tar.gz`;
    const hex = sums.get(upstream);
    if (hex === undefined) throw missing(`${upstream} in ${list}`, []);
    const proof = { kind: 'checksum', algorithm: 'sha256', hex, from: list, signed: false } as const;
    return {
      version,
      files: [{ name: 'etcd.tar.gz', url: releaseFile(mirror, REPOSITORY, version, upstream), proof }],
      texts: [{ name: 'SHA256SUMS', text: `${hex}  etcd.tar.gz\n` }],
    };
  },
};
