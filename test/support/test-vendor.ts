import { createHash } from 'node:crypto';
import type { Test } from 'tap';
import type { ImageFile, ImageVendor } from '../../src/images/vendor.ts';
import type { Gpg, GpgKey } from './make-openpgp.ts';
import { type Mirror, startMirror } from './start-mirror.ts';

export const FILES = ['vmlinuz', 'initrd.cpio.gz'] as const;

/**
 * A small vendor: `/<channel>/<arch>/latest` is a clear-text signed version, and each file of
 * `/<channel>/<arch>/<version>/` has a detached signature beside it.
 */
export function testVendor(mirror: Pick<Mirror, 'url'>, keys: readonly GpgKey[]): ImageVendor {
  return {
    name: 'testos',
    description: 'an operating system of tests',
    channels: ['stable', 'beta'],
    arches: ['amd64', 'arm64'],
    mirror: mirror.url,
    keys: keys.map(({ fingerprint, owner }) => ({ fingerprint, owner, url: `${mirror.url}/key.asc` })),
    formats: ['ignition'],
    async plan({ channel, arch, version, mirror: base }, fetch) {
      const folder = `${base}/${channel}/${arch}`;
      const chosen = version ?? (await fetch.signed(`${folder}/latest`)).trim();
      const files = FILES.map((name): ImageFile => {
        const url = `${folder}/${chosen}/${name}`;
        return { name, url, proof: { kind: 'signature', url: `${url}.sig` } };
      });
      return { version: chosen, files };
    },
  };
}

/** One that signs nothing: `/<version>/SHA512SUMS` lists its files. */
export function checksumVendor(mirror: Pick<Mirror, 'url'>): ImageVendor {
  return {
    ...testVendor(mirror, []),
    name: 'bareos',
    formats: [],
    async plan({ version = '1', mirror: base }, fetch) {
      const list = `${base}/${version}/SHA512SUMS`;
      const files = (await fetch.text(list))
        .trim()
        .split('\n')
        .map((line): ImageFile => {
          const [hex = '', name = ''] = line.split(/\s+/);
          const proof = { kind: 'checksum', algorithm: 'sha512', hex, from: list, signed: false } as const;
          return { name, url: `${base}/${version}/${name}`, proof };
        });
      return { version, files };
    },
  };
}

/** A mirror of it with these versions, the last one the newest, signed by `signer` (or the key). */
export async function startVendorMirror(
  t: Test,
  gpg: Gpg,
  key: GpgKey,
  versions: readonly string[],
  { size = 300_000, signer = key.fingerprint }: { readonly size?: number; readonly signer?: string } = {},
): Promise<Mirror> {
  const mirror = await startMirror(t);
  mirror.files.set('/key.asc', gpg.export(key));
  for (const version of versions) {
    mirror.files.set('/stable/amd64/latest', gpg.sign(`${version}\n`, signer, '--clear-sign'));
    for (const name of FILES) {
      const path = `/stable/amd64/${version}/${name}`;
      const content = contentOf(path, size);
      mirror.files.set(path, content);
      mirror.files.set(`${path}.sig`, gpg.sign(content, signer));
    }
  }
  return mirror;
}

/** The same bytes for the same name. */
export function contentOf(name: string, size: number): Buffer {
  const block = createHash('sha512').update(name).digest();
  return Buffer.alloc(size, block);
}
