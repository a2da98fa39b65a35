import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { Config } from '../src/config/port.ts';
import type { ImageManifest } from '../src/images/image-manifest.ts';
import type { ConfigFormat } from '../src/machine/role.ts';
import { checkRoleAssets } from '../src/preflight-assets.ts';
import type { TriedRole } from '../src/preflight-roles.ts';
import { testRole } from './http/start-test-server.ts';

const manifest = (version: string, formats: readonly ConfigFormat[]): string =>
  JSON.stringify({
    image: 'flatcar',
    vendor: 'flatcar',
    channel: 'stable',
    version,
    arch: 'amd64',
    formats,
    files: [],
    signedBy: [],
    mirror: 'https://example.org',
    pulledAt: '2026-01-01T00:00:00Z',
  } satisfies ImageManifest);

const assets = t.testdir({
  flatcar: {
    '1': { vmlinuz: 'k', cpio: 'i', 'image.json': manifest('1', ['ignition', 'nocloud']) },
    '2': { vmlinuz: 'k', cpio: 'i', 'image.json': manifest('2', []) },
    '3': { vmlinuz: 'k', cpio: 'i', 'image.json': '{' },
    oem: 'by hand',
  },
});
await symlink('1', join(assets, 'flatcar/current'));
await symlink('current/vmlinuz', join(assets, 'flatcar/vmlinuz'));
t.teardown(() => rm(join(assets, 'flatcar/current'), { force: true }));
const config = { paths: { assets }, assets: { mirrors: [] } } as unknown as Config;

/** With a cloud-config, as testRole has. */
function tried(kernel: string, initrd: readonly string[], used = true): TriedRole {
  return { role: testRole(), files: { kernel, initrd, cmdline: [] }, used };
}

t.test('a role fits the image that it boots', async (t) => {
  t.equal(testRole().config?.format, 'cloud-config');
  const reads = /^role \S+ gives cloud-config, but flatcar 1 reads ignition or nocloud$/;
  const mixes = /^role \S+ boots the kernel of flatcar 1 with \/assets\/flatcar\/2\/cpio of flatcar 2$/;
  const rows: [string, readonly string[], readonly RegExp[]][] = [
    ['/assets/flatcar/vmlinuz', ['/assets/flatcar/1/cpio'], [reads]],
    ['/assets/flatcar/1/vmlinuz', ['/assets/flatcar/2/cpio'], [reads, mixes]],
    ['/assets/flatcar/2/vmlinuz', ['/assets/flatcar/2/cpio', '/assets/flatcar/oem'], []],
    ['/assets/flatcar/3/vmlinuz', ['/assets/flatcar/2/cpio'], []],
    ['/assets/flatcar/oem', [], []],
    ['http://elsewhere/flatcar/1/vmlinuz', [], []],
  ];
  for (const [kernel, initrd, messages] of rows) {
    const problems = await checkRoleAssets(config, [tried(kernel, initrd), tried(kernel, initrd, false)]);
    t.equal(problems.length, messages.length, kernel);
    t.match(
      problems,
      messages.map((message) => ({ severity: 'error', message, remedy: /./ })),
      kernel,
    );
  }
  t.match(await checkRoleAssets(config, [tried('/assets/flatcar/1/vmlinuz', [], false)]), [
    { severity: 'warning' },
  ]);
});
