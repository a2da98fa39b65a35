import { createHash } from 'node:crypto';
import type { Signer } from './vendor-signer.ts';

export interface MirrorOptions {
  /** Bytes of each stand-in for a kernel, an initrd or a program. */
  readonly size?: number;
  /** Ubuntu's image: an ISO 9660 with `casper/vmlinuz` and `casper/initrd`, where more than its name is needed. */
  readonly iso?: Buffer;
}

/** What the mirror has of each vendor. The second is the newest. */
export const MIRROR_VERSIONS = {
  flatcar: ['4230.2.1', '4230.2.2'],
  fcos: ['44.20260523.3.0', '44.20260607.3.1'],
  debian: '13.8',
  ubuntu: ['24.04.3', '24.04.4'],
  talos: ['v1.11.4', 'v1.11.5'],
  kubernetes: ['v1.35.4', 'v1.36.0'],
  etcd: ['v3.6.4', 'v3.6.5'],
} as const;

const ARCHES = [
  ['amd64', 'x86_64'],
  ['arm64', 'aarch64'],
] as const;

const sum = (algorithm: 'sha256' | 'sha512', content: Buffer) =>
  createHash(algorithm).update(content).digest('hex');

/** Every vendor's files, by path, each shaped as the vendor's own lists and folders are (sources: src/images/vendors). */
export async function layOut(signer: Signer, options: MirrorOptions): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const { size = 4096, iso } = options;
  const standIn = (what: string) =>
    Buffer.from(`${what} `.repeat(Math.ceil(size / (what.length + 1))).slice(0, size));
  const mirror: Mirror = { files, signer, standIn, iso: iso ?? standIn('ubuntu iso') };
  await layFlatcar(mirror);
  await layFedora(mirror);
  await layDebian(mirror);
  await layUbuntu(mirror);
  layTalos(mirror);
  layKubernetes(mirror);
  layEtcd(mirror);
  return files;
}

interface Mirror {
  readonly files: Map<string, Buffer>;
  readonly signer: Signer;
  readonly standIn: (what: string) => Buffer;
  readonly iso: Buffer;
}

const json = (value: object) => JSON.stringify(value, undefined, 4);

const put = ({ files }: Mirror, path: string, content: Buffer | string) =>
  files.set(path, Buffer.from(content));

async function putSigned(mirror: Mirror, path: string, content: Buffer | string): Promise<void> {
  put(mirror, path, content);
  put(mirror, `${path}.sig`, await mirror.signer.detached(Buffer.from(content), 'binary'));
}

async function layFlatcar(mirror: Mirror): Promise<void> {
  for (const [arch] of ARCHES) {
    for (const version of MIRROR_VERSIONS.flatcar) {
      const [build, branch, patch] = version.split('.');
      const text =
        `FLATCAR_BUILD=${build}\nFLATCAR_BRANCH=${branch}\nFLATCAR_PATCH=${patch}\nFLATCAR_VERSION=${version}\n` +
        `FLATCAR_VERSION_ID=${version}\nFLATCAR_BUILD_ID="2025-08-04-1723"\nFLATCAR_SDK_VERSION=4230.0.0\n`;
      for (const folder of [version, ...(version === MIRROR_VERSIONS.flatcar[1] ? ['current'] : [])]) {
        const base = `/stable/${arch}-usr/${folder}`;
        await putSigned(mirror, `${base}/version.txt`, text);
        for (const name of ['flatcar_production_pxe.vmlinuz', 'flatcar_production_pxe_image.cpio.gz']) {
          await putSigned(mirror, `${base}/${name}`, mirror.standIn(`flatcar ${version} ${arch} ${name}`));
        }
      }
    }
  }
}

async function layFedora(mirror: Mirror): Promise<void> {
  const host = 'https://builds.coreos.fedoraproject.org';
  const metadata = {
    'last-modified': '2026-06-09T18:50:21Z',
    generator: 'fedora-coreos-stream-generator v0.2.8',
  };
  const pxeOf = async (version: string, arch: string) => {
    const folder = `/prod/streams/stable/builds/${version}/${arch}`;
    const part = async (upstream: string) => {
      const path = `${folder}/fedora-coreos-${version}-${upstream}`;
      const content = mirror.standIn(`fcos ${version} ${arch} ${upstream}`);
      await putSigned(mirror, path, content);
      return { location: `${host}${path}`, signature: `${host}${path}.sig`, sha256: sum('sha256', content) };
    };
    return {
      kernel: await part(`live-kernel.${arch}`),
      initramfs: await part(`live-initramfs.${arch}.img`),
      rootfs: await part(`live-rootfs.${arch}.img`),
    };
  };
  for (const version of MIRROR_VERSIONS.fcos) {
    const stream: Record<string, unknown> = {};
    const release: Record<string, unknown> = {};
    for (const [, arch] of ARCHES) {
      const pxe = await pxeOf(version, arch);
      stream[arch] = { artifacts: { metal: { release: version, formats: { pxe } } }, images: {} };
      release[arch] = { commit: '0'.repeat(64), media: { metal: { artifacts: { pxe } } } };
    }
    put(mirror, '/streams/stable.json', json({ stream: 'stable', metadata, architectures: stream }));
    put(
      mirror,
      `/prod/streams/stable/builds/${version}/release.json`,
      json({ release: version, stream: 'stable', metadata, architectures: release }),
    );
  }
  put(
    mirror,
    '/prod/streams/stable/releases.json',
    JSON.stringify({
      note: 'For use only by Fedora CoreOS internal tooling.',
      releases: MIRROR_VERSIONS.fcos.map((version) => ({
        commits: [],
        version,
        metadata: `${host}/prod/streams/stable/builds/${version}/release.json`,
      })),
      metadata: { 'last-modified': metadata['last-modified'] },
      stream: 'stable',
    }),
  );
}

async function layDebian(mirror: Mirror): Promise<void> {
  const dated = '20250803+deb13u8';
  const entries: string[] = [];
  for (const [arch] of ARCHES) {
    const netboot = ['linux', 'initrd.gz'].map((name) => {
      const path = `netboot/debian-installer/${arch}/${name}`;
      return { path, content: mirror.standIn(`debian ${arch} ${name}`) };
    });
    const list = netboot.map(({ path, content }) => `${sum('sha256', content)}  ./${path}\n`).join('');
    for (const folder of [dated, 'current']) {
      const images = `main/installer-${arch}/${folder}/images`;
      entries.push(
        ` ${sum('sha256', Buffer.from(list))} ${String(list.length).padStart(8)} ${images}/SHA256SUMS`,
      );
      for (const suite of ['trixie', 'stable']) {
        put(mirror, `/dists/${suite}/${images}/SHA256SUMS`, list);
        for (const { path, content } of netboot) put(mirror, `/dists/${suite}/${images}/${path}`, content);
      }
    }
  }
  const release = [
    'Origin: Debian',
    'Label: Debian',
    'Suite: stable',
    `Version: ${MIRROR_VERSIONS.debian}`,
    'Codename: trixie',
    'Changelogs: https://metadata.ftp-master.debian.org/changelogs/@CHANGEPATH@_changelog',
    'Date: Sat, 21 Nov 2026 09:15:44 UTC',
    'Acquire-By-Hash: yes',
    'No-Support-for-Architecture-all: Packages',
    'Architectures: all amd64 arm64',
    'Components: main',
    'Description: Debian 13.8 Released 21 November 2026',
    'MD5Sum:',
    ` ${'0'.repeat(32)}     1234 main/binary-amd64/Packages`,
    'SHA256:',
    ...entries,
    '',
  ].join('\n');
  for (const suite of ['trixie', 'stable']) {
    put(mirror, `/dists/${suite}/InRelease`, await mirror.signer.clear(release));
  }
}

async function layUbuntu(mirror: Mirror): Promise<void> {
  for (const [arch, folder] of [
    ['amd64', '/24.04'],
    ['arm64', '/24.04/release'],
  ] as const) {
    // The list keeps the images of all point releases, the folder the newest only.
    const list = MIRROR_VERSIONS.ubuntu
      .flatMap((version) => [
        `${sum('sha256', Buffer.from(`desktop ${version}`))} *ubuntu-${version}-desktop-${arch}.iso\n`,
        `${sum('sha256', mirror.iso)} *ubuntu-${version}-live-server-${arch}.iso\n`,
      ])
      .join('');
    put(mirror, `${folder}/SHA256SUMS`, list);
    put(mirror, `${folder}/SHA256SUMS.gpg`, await mirror.signer.detached(Buffer.from(list), 'armored'));
    put(mirror, `${folder}/ubuntu-${MIRROR_VERSIONS.ubuntu[1]}-live-server-${arch}.iso`, mirror.iso);
  }
}

function layTalos(mirror: Mirror): void {
  for (const version of MIRROR_VERSIONS.talos) {
    const folder = `/siderolabs/talos/releases/download/${version}`;
    const names = ARCHES.flatMap(([arch]) => [`initramfs-${arch}.xz`, `vmlinuz-${arch}`]);
    const lines = names.map((name) => {
      const content = mirror.standIn(`talos ${version} ${name}`);
      put(mirror, `${folder}/${name}`, content);
      return `${sum('sha512', content)}  ${name}\n`;
    });
    put(mirror, `${folder}/sha512sum.txt`, lines.join(''));
    put(
      mirror,
      '/repos/siderolabs/talos/releases/latest',
      JSON.stringify({ id: 1, tag_name: version, assets: [] }),
    );
  }
}

function layKubernetes(mirror: Mirror): void {
  for (const version of MIRROR_VERSIONS.kubernetes) {
    const minor = version.split('.').slice(0, 2).join('.');
    put(mirror, '/release/stable.txt', version);
    put(mirror, `/release/stable-${minor.slice(1)}.txt`, version);
    for (const [arch] of ARCHES) {
      for (const name of ['kubelet', 'kubectl']) {
        const path = `/release/${version}/bin/linux/${arch}/${name}`;
        const content = mirror.standIn(`kubernetes ${version} ${arch} ${name}`);
        put(mirror, path, content);
        put(mirror, `${path}.sha256`, sum('sha256', content));
      }
      const crictl = `crictl-${minor}.0-linux-${arch}.tar.gz`;
      putListed(mirror, `/kubernetes-sigs/cri-tools/releases/download/${minor}.0`, crictl);
      putListed(
        mirror,
        '/containernetworking/plugins/releases/download/v1.9.1',
        `cni-plugins-linux-${arch}-v1.9.1.tgz`,
      );
    }
  }
}

function putListed(mirror: Mirror, folder: string, name: string): void {
  const content = mirror.standIn(name);
  put(mirror, `${folder}/${name}`, content);
  put(mirror, `${folder}/${name}.sha256`, `${sum('sha256', content)}  ${name}\n`);
}

function layEtcd(mirror: Mirror): void {
  for (const version of MIRROR_VERSIONS.etcd) {
    const folder = `/etcd-io/etcd/releases/download/${version}`;
    const lines = ARCHES.map(([arch]) => {
      const name = `etcd-${version}-linux-${arch}.tar.gz`;
      const content = mirror.standIn(name);
      put(mirror, `${folder}/${name}`, content);
      return `${sum('sha256', content)}  ${name}\n`;
    });
    put(mirror, `${folder}/SHA256SUMS`, lines.join(''));
    put(mirror, '/repos/etcd-io/etcd/releases/latest', JSON.stringify({ tag_name: version }));
  }
}
