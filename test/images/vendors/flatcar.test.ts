import t from 'tap';
import { flatcar } from '../../../src/images/vendors/flatcar.ts';
import { fetchFrom, fetchOf } from '../../support/vendor-fetch.ts';
import { startVendorMirror } from '../../support/vendor-mirror.ts';

const request = { channel: 'stable', arch: 'amd64' } as const;

t.test(
  'each channel has its own host, and below it the folders that a mirror has below the name of the channel',
  async (t) => {
    const text = 'FLATCAR_VERSION=4230.2.2\n';
    for (const [channel, host] of [
      ['stable', 'https://stable.release.flatcar-linux.net'],
      ['lts', 'https://lts.release.flatcar-linux.net'],
    ] as const) {
      const fetch = fetchOf({ [`${host}/arm64-usr/current/version.txt`]: text });
      const { files } = await flatcar.plan({ channel, arch: 'arm64', mirror: flatcar.mirror }, fetch);
      t.same(files, [
        {
          name: 'flatcar_production_pxe.vmlinuz',
          url: `${host}/arm64-usr/4230.2.2/flatcar_production_pxe.vmlinuz`,
          proof: { kind: 'signature', url: `${host}/arm64-usr/4230.2.2/flatcar_production_pxe.vmlinuz.sig` },
        },
        {
          name: 'flatcar_production_pxe_image.cpio.gz',
          url: `${host}/arm64-usr/4230.2.2/flatcar_production_pxe_image.cpio.gz`,
          proof: {
            kind: 'signature',
            url: `${host}/arm64-usr/4230.2.2/flatcar_production_pxe_image.cpio.gz.sig`,
          },
        },
      ]);
    }
    const mirrored = fetchOf({ 'http://rack/flatcar/beta/amd64-usr/current/version.txt': text });
    const plan = await flatcar.plan(
      { channel: 'beta', arch: 'amd64', mirror: 'http://rack/flatcar' },
      mirrored,
    );
    t.equal(plan.files[0]?.url, 'http://rack/flatcar/beta/amd64-usr/4230.2.2/flatcar_production_pxe.vmlinuz');
  },
);

t.test('below a mirror', async (t) => {
  const mirror = await startVendorMirror();
  t.teardown(() => mirror[Symbol.asyncDispose]());
  const fetch = fetchFrom(mirror);
  const asked = { ...request, mirror: mirror.url };

  await t.test('an older version is found by its number', async (t) => {
    t.equal((await flatcar.plan({ ...asked, version: '4230.2.1' }, fetch)).version, '4230.2.1');
  });

  await t.test('of a version that is not there, the newest that is', async (t) => {
    await t.rejects(flatcar.plan({ ...asked, version: '4230.9.9' }, fetch), {
      code: 'not-found',
      message: 'There is no Flatcar 4230.9.9 for amd64 in stable',
      remedy: /newest there is 4230\.2\.2/,
    });
  });

  await t.test('a folder that holds another version than its name says is refused', async (t) => {
    for (const end of ['', '.sig']) {
      const other = mirror.files.get(`/stable/amd64-usr/4230.2.2/version.txt${end}`);
      mirror.files.set(`/stable/amd64-usr/4230.2.1/version.txt${end}`, other as Buffer);
    }
    await t.rejects(flatcar.plan({ ...asked, version: '4230.2.1' }, fetch), {
      code: 'refused',
      message: /says that it is "4230\.2\.2"/,
    });
  });

  await t.test('what is newest counts with the signature of the vendor only', async (t) => {
    await mirror.signWrongly('/stable/amd64-usr/current/version.txt.sig');
    await t.rejects(flatcar.plan(asked, fetch), { code: 'refused' });
  });
});
