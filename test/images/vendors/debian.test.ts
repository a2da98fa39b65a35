import t from 'tap';
import { debian } from '../../../src/images/vendors/debian.ts';
import { fetchFrom } from '../../support/vendor-fetch.ts';
import { startVendorMirror } from '../../support/vendor-mirror.ts';

const IMAGES = '/dists/trixie/main/installer-amd64/20250803+deb13u8/images';

t.test('below a mirror', async (t) => {
  const mirror = await startVendorMirror();
  t.teardown(() => mirror[Symbol.asyncDispose]());
  const fetch = fetchFrom(mirror);
  const request = { channel: 'trixie', arch: 'amd64', mirror: mirror.url } as const;

  await t.test('a suite is asked for by its name or by what it is at the moment', async (t) => {
    for (const channel of ['trixie', 'stable']) {
      t.equal((await debian.plan({ ...request, channel }, fetch)).version, '13.8', channel);
    }
  });

  await t.test('the files are those of the folder with a date, which keeps its content', async (t) => {
    const { files } = await debian.plan(request, fetch);
    t.same(
      files.map(({ name, url }) => [name, url.slice(mirror.url.length)]),
      [
        ['linux', `${IMAGES}/netboot/debian-installer/amd64/linux`],
        ['initrd.gz', `${IMAGES}/netboot/debian-installer/amd64/initrd.gz`],
      ],
    );
    t.notOk(mirror.asked.some((line) => line.includes('/current/')));
  });

  await t.test('another point release is not there, since an archive has one', async (t) => {
    t.equal((await debian.plan({ ...request, version: '13.8' }, fetch)).version, '13.8');
    await t.rejects(debian.plan({ ...request, version: '13.7' }, fetch), {
      code: 'not-found',
      remedy: /13\.8/,
    });
  });

  await t.test('what Debian signed for one suite is refused for another', async (t) => {
    mirror.files.set('/dists/bookworm/InRelease', mirror.files.get('/dists/trixie/InRelease') as Buffer);
    await t.rejects(debian.plan({ ...request, channel: 'bookworm' }, fetch), {
      code: 'refused',
      message: /is of "stable" \("trixie"\), not of bookworm/,
    });
  });

  await t.test('a processor that the suite has no installer for', async (t) => {
    await t.rejects(debian.plan({ ...request, arch: 'riscv64' as 'arm64' }, fetch), { code: 'not-found' });
  });

  await t.test('a mirror in the middle of its update is one to ask later', async (t) => {
    mirror.faults.set(`${IMAGES}/SHA256SUMS`, 'missing');
    await t.rejects(debian.plan(request, fetch), { code: 'unavailable', remedy: /try again later/ });
    mirror.faults.clear();
  });

  await t.test('a list that was changed is refused, though its name and length are right', async (t) => {
    const list = mirror.files.get(`${IMAGES}/SHA256SUMS`)?.toString() as string;
    const other = list.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    mirror.files.set(`${IMAGES}/SHA256SUMS`, Buffer.from(other));
    await t.rejects(debian.plan(request, fetch), { code: 'refused', message: /not what InRelease says/ });
  });

  await t.test('an InRelease that somebody else signed is refused', async (t) => {
    await mirror.signWrongly('/dists/trixie/InRelease');
    await t.rejects(debian.plan(request, fetch), { code: 'refused' });
  });
});
