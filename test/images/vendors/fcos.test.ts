import t from 'tap';
import { fcos } from '../../../src/images/vendors/fcos.ts';
import { fetchFrom } from '../../support/vendor-fetch.ts';
import { startVendorMirror } from '../../support/vendor-mirror.ts';

t.test('below a mirror', async (t) => {
  const mirror = await startVendorMirror();
  t.teardown(() => mirror[Symbol.asyncDispose]());
  const fetch = fetchFrom(mirror);
  const request = { channel: 'stable', arch: 'amd64', mirror: mirror.url } as const;

  await t.test(
    'the files come from the mirror, wherever the stream says they are, each with a signature',
    async (t) => {
      const { version, files } = await fcos.plan(request, fetch);
      t.equal(version, '44.20260607.3.1');
      const folder = `${mirror.url}/prod/streams/stable/builds/44.20260607.3.1/x86_64/fedora-coreos-44.20260607.3.1-live`;
      t.same(
        files.map(({ name, url, proof }) => [name, url, proof]),
        [
          ['kernel', `${folder}-kernel.x86_64`, { kind: 'signature', url: `${folder}-kernel.x86_64.sig` }],
          [
            'initramfs.img',
            `${folder}-initramfs.x86_64.img`,
            { kind: 'signature', url: `${folder}-initramfs.x86_64.img.sig` },
          ],
          [
            'rootfs.img',
            `${folder}-rootfs.x86_64.img`,
            { kind: 'signature', url: `${folder}-rootfs.x86_64.img.sig` },
          ],
        ],
      );
    },
  );

  await t.test('an older release is found by its version', async (t) => {
    const { version, files } = await fcos.plan(
      { ...request, arch: 'arm64', version: '44.20260523.3.0' },
      fetch,
    );
    t.equal(version, '44.20260523.3.0');
    t.match(files[0]?.url, /44\.20260523\.3\.0-live-kernel\.aarch64$/);
  });

  await t.test('of one that is not there, the newest that are', async (t) => {
    await t.rejects(fcos.plan({ ...request, version: '44.20990101.3.0' }, fetch), {
      code: 'not-found',
      remedy: /44\.20260523\.3\.0, 44\.20260607\.3\.1/,
    });
  });

  await t.test('a release that says that it is another is refused', async (t) => {
    const builds = '/prod/streams/stable/builds';
    const newest = mirror.files.get(`${builds}/44.20260607.3.1/release.json`) as Buffer;
    mirror.files.set(`${builds}/44.20260523.3.0/release.json`, newest);
    await t.rejects(fcos.plan({ ...request, version: '44.20260523.3.0' }, fetch), { code: 'refused' });
  });
});
