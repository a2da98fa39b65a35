import t from 'tap';
import { ubuntu } from '../../../src/images/vendors/ubuntu.ts';
import { fetchFrom, fetchOf } from '../../support/vendor-fetch.ts';
import { startVendorMirror } from '../../support/vendor-mirror.ts';

const sums = (...names: readonly string[]) =>
  names.map((name, index) => `${String(index).repeat(64)} *${name}\n`).join('');

t.test(
  'the newest point release of the list is taken, by its numbers, and kernel and initrd out of its image',
  async (t) => {
    const fetch = fetchOf({
      'https://releases.ubuntu.com/24.04/SHA256SUMS': sums(
        'ubuntu-24.04.2-live-server-amd64.iso',
        'ubuntu-24.04.10-live-server-amd64.iso',
        'ubuntu-24.04.11-desktop-amd64.iso',
        'ubuntu-24.04.9-wsl-amd64.wsl',
      ),
    });
    const { version, files } = await ubuntu.plan(
      { channel: '24.04', arch: 'amd64', mirror: ubuntu.mirror },
      fetch,
    );
    t.equal(version, '24.04.10');
    const url = 'https://releases.ubuntu.com/24.04/ubuntu-24.04.10-live-server-amd64.iso';
    t.same(files, [
      {
        name: 'live-server.iso',
        url,
        proof: {
          kind: 'checksum',
          algorithm: 'sha256',
          hex: '1'.repeat(64),
          from: 'https://releases.ubuntu.com/24.04/SHA256SUMS',
          signed: true,
        },
      },
      { name: 'vmlinuz', url, proof: { kind: 'member', of: 'live-server.iso', path: 'casper/vmlinuz' } },
      { name: 'initrd', url, proof: { kind: 'member', of: 'live-server.iso', path: 'casper/initrd' } },
    ]);
  },
);

t.test('what else a list has is not of the series that was asked for', async (t) => {
  const fetch = fetchOf({
    'https://releases.ubuntu.com/24.04/SHA256SUMS': sums(
      'ubuntu-24.04.4-live-server-amd64.iso',
      'ubuntu-22.04.5-live-server-amd64.iso',
    ),
  });
  const request = { channel: '24.04', version: '22.04.5', arch: 'amd64', mirror: ubuntu.mirror } as const;
  await t.rejects(ubuntu.plan(request, fetch), { code: 'not-found', remedy: 'There is 24.04.4.' });
});

t.test('images for arm64 are on another host, in one more folder', async (t) => {
  const fetch = fetchOf({
    'https://cdimage.ubuntu.com/releases/26.04/release/SHA256SUMS': sums(
      'ubuntu-26.04-live-server-arm64.iso',
    ),
  });
  const { version, files } = await ubuntu.plan(
    { channel: '26.04', arch: 'arm64', mirror: ubuntu.mirror },
    fetch,
  );
  t.equal(version, '26.04');
  t.equal(
    files[0]?.url,
    'https://cdimage.ubuntu.com/releases/26.04/release/ubuntu-26.04-live-server-arm64.iso',
  );
});

t.test('below a mirror', async (t) => {
  const mirror = await startVendorMirror();
  t.teardown(() => mirror[Symbol.asyncDispose]());
  const fetch = fetchFrom(mirror);
  const request = { channel: '24.04', arch: 'amd64', mirror: mirror.url } as const;

  await t.test('an older point release, as long as the list has it', async (t) => {
    t.equal((await ubuntu.plan({ ...request, version: '24.04.3' }, fetch)).version, '24.04.3');
    for (const version of ['24.04.9', '22.04.5', '24.04']) {
      await t.rejects(
        ubuntu.plan({ ...request, version }, fetch),
        { code: 'not-found', remedy: /24\.04\.4, 24\.04\.3/ },
        version,
      );
    }
  });

  await t.test('a list that somebody else signed is refused', async (t) => {
    await mirror.signWrongly('/24.04/SHA256SUMS.gpg');
    await t.rejects(ubuntu.plan(request, fetch), { code: 'refused' });
  });
});
