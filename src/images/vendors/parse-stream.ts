import { isFileName } from './parse-checksums.ts';
import { at, parseJson } from './parse-json.ts';
import { quote, refuseText } from './refuse-text.ts';

/** Fedora's release, the day, the stream's number, the build: 44.20260607.3.1. */
export const COREOS_VERSION = /^\d{2}\.\d{8}\.\d{1,2}\.\d{1,3}$/;

const PARTS = ['kernel', 'initramfs', 'rootfs'] as const;
export type PxePart = (typeof PARTS)[number];

export interface PxeBuild {
  readonly version: string;
  /** File names below the build's folder. They have changed: until Fedora 41 the kernel was `…-live-kernel-x86_64`. */
  readonly names: Readonly<Record<PxePart, string>>;
}

/**
 * What boots over the network, of a stream (streams/stable.json: its newest release) or of one release (release.json).
 * Only the names are taken: of each `location` all but the name must be the place that it has on Fedora's host, whatever
 * the host. Source: coreos/stream-metadata-go, stream/stream.go and release/release.go with their fixtures. Throws
 * TinderboxError `refused`.
 */
export function parseStream(text: string, stream: string, arch: string, from: string): PxeBuild {
  const json = parseJson(text, from);
  if (at(json, 'stream') !== stream) throw refuseText(from, `not of the stream ${stream}`);
  const metal = at(json, 'architectures', arch, 'artifacts', 'metal');
  const version = metal === undefined ? at(json, 'release') : at(metal, 'release');
  const pxe =
    metal === undefined
      ? at(json, 'architectures', arch, 'media', 'metal', 'artifacts', 'pxe')
      : at(metal, 'formats', 'pxe');
  if (typeof version !== 'string' || !COREOS_VERSION.test(version)) {
    throw refuseText(from, `no version for ${arch}: ${quote(String(version))}`);
  }
  const nameOf = (part: PxePart) => {
    const location = at(pxe, part, 'location');
    if (typeof location !== 'string') throw refuseText(from, `no ${part} for ${arch}`);
    const folder = `/${buildFolder(stream, version, arch)}/`;
    const path = URL.parse(location)?.pathname ?? '';
    const name = path.startsWith(folder) ? path.slice(folder.length) : '';
    if (!isFileName(name) || name.includes('/')) {
      throw refuseText(from, `a ${part} that is not in ${folder}: ${quote(location)}`);
    }
    return name;
  };
  return {
    version,
    names: { kernel: nameOf('kernel'), initramfs: nameOf('initramfs'), rootfs: nameOf('rootfs') },
  };
}

/** The versions in a stream's releases.json, oldest first as there. Throws TinderboxError `refused`. */
export function parseReleaseIndex(text: string, from: string): readonly string[] {
  const releases = at(parseJson(text, from), 'releases');
  if (!Array.isArray(releases)) throw refuseText(from, 'no list of releases');
  return releases
    .map((release) => at(release, 'version'))
    .filter((version) => typeof version === 'string' && COREOS_VERSION.test(version)) as string[];
}

export function buildFolder(stream: string, version: string, arch: string): string {
  return `prod/streams/${stream}/builds/${version}/${arch}`;
}
