import t from 'tap';
import type { ImageVendor } from '../../../src/images/vendor.ts';
import { etcd } from '../../../src/images/vendors/etcd.ts';
import { talos } from '../../../src/images/vendors/talos.ts';
import { fetchFrom, fetchOf } from '../../support/vendor-fetch.ts';
import { startVendorMirror } from '../../support/vendor-mirror.ts';

t.test('what is newest is asked of GitHub, and the files come from the release', async (t) => {
  const hex = 'a'.repeat(128);
  const folder = 'https://github.com/siderolabs/talos/releases/download/v1.11.5';
  const fetch = fetchOf({
    'https://api.github.com/repos/siderolabs/talos/releases/latest': '{"tag_name":"v1.11.5","assets":[]}',
    [`${folder}/sha512sum.txt`]: `${hex}  initramfs-amd64.xz\n${hex}  metal-amd64.iso\n${hex}  vmlinuz-amd64\n`,
  });
  const { version, files } = await talos.plan(
    { channel: 'stable', arch: 'amd64', mirror: talos.mirror },
    fetch,
  );
  t.equal(version, 'v1.11.5');
  t.same(
    files.map(({ name, url }) => [name, url]),
    [
      ['vmlinuz', `${folder}/vmlinuz-amd64`],
      ['initramfs.xz', `${folder}/initramfs-amd64.xz`],
    ],
  );
});

t.test('below a mirror', async (t) => {
  const mirror = await startVendorMirror();
  t.teardown(() => mirror[Symbol.asyncDispose]());
  const fetch = fetchFrom(mirror);
  const vendors: readonly (readonly [ImageVendor, older: string, repository: string])[] = [
    [talos, 'v1.11.4', 'siderolabs/talos'],
    [etcd, 'v3.6.4', 'etcd-io/etcd'],
  ];
  for (const [vendor, older, repository] of vendors) {
    await t.test(
      `${vendor.name}: an older release by its version, with or without v; one that is not there is said so`,
      async (t) => {
        const request = { channel: 'stable', arch: 'amd64', mirror: mirror.url } as const;
        t.equal((await vendor.plan({ ...request, version: older }, fetch)).version, older);
        t.equal((await vendor.plan({ ...request, version: older.slice(1) }, fetch)).version, older);
        await t.rejects(vendor.plan({ ...request, version: older.replace(/\d+$/, '99') }, fetch), {
          code: 'not-found',
        });
        const latest = `/repos/${repository}/releases/latest`;
        for (const answer of [
          '<html>',
          '{}',
          '{"tag_name":"../../x"}',
          '{"tag_name":["v1.11.5"]}',
          '[]',
          'null',
        ]) {
          mirror.files.set(latest, Buffer.from(answer));
          await t.rejects(vendor.plan(request, fetch), { code: 'refused' }, answer);
        }
      },
    );
  }

  await t.test(
    'the archive of etcd gets the name that the roles fetch, and a list to check it with',
    async (t) => {
      const { files, texts } = await etcd.plan(
        { channel: 'stable', version: 'v3.6.5', arch: 'arm64', mirror: mirror.url },
        fetch,
      );
      const [file] = files;
      t.equal(file?.name, 'etcd.tar.gz');
      const hex = file?.proof.kind === 'checksum' ? file.proof.hex : '';
      t.same(texts, [{ name: 'SHA256SUMS', text: `${hex}  etcd.tar.gz\n` }]);
    },
  );
});
