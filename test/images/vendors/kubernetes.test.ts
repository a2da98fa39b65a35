import t from 'tap';
import { kubernetes } from '../../../src/images/vendors/kubernetes.ts';
import { fetchFrom, fetchOf } from '../../support/vendor-fetch.ts';
import { startVendorMirror } from '../../support/vendor-mirror.ts';

t.test(
  'programs, plugins and crictl come from their three hosts, with the checksums beside them',
  async (t) => {
    const hex = 'a'.repeat(64);
    const programs = 'https://dl.k8s.io/release/v1.36.2/bin/linux/arm64';
    const cni =
      'https://github.com/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-arm64-v1.9.1.tgz';
    const crictl =
      'https://github.com/kubernetes-sigs/cri-tools/releases/download/v1.36.0/crictl-v1.36.0-linux-arm64.tar.gz';
    const fetch = fetchOf({
      'https://dl.k8s.io/release/stable.txt': 'v1.36.2\n',
      [`${programs}/kubelet.sha256`]: hex,
      [`${programs}/kubectl.sha256`]: hex,
      [`${cni}.sha256`]: `${hex}  cni-plugins-linux-arm64-v1.9.1.tgz\n`,
      [`${crictl}.sha256`]: hex,
    });
    const plan = await kubernetes.plan(
      { channel: 'stable', arch: 'arm64', mirror: kubernetes.mirror },
      fetch,
    );
    t.equal(plan.version, 'v1.36.2');
    t.same(
      plan.files.map(({ name, url }) => [name, url]),
      [
        ['kubelet', `${programs}/kubelet`],
        ['kubectl', `${programs}/kubectl`],
        ['cni-plugins.tgz', cni],
        ['crictl.tar.gz', crictl],
      ],
    );
    t.same(plan.files[0]?.proof, {
      kind: 'checksum',
      algorithm: 'sha256',
      hex,
      from: `${programs}/kubelet.sha256`,
      signed: false,
    });
    t.same(plan.texts, [
      { name: 'SHA256SUMS', text: plan.files.map(({ name }) => `${hex}  ${name}\n`).join('') },
    ]);
  },
);

t.test('below a mirror', async (t) => {
  const mirror = await startVendorMirror();
  t.teardown(() => mirror[Symbol.asyncDispose]());
  const fetch = fetchFrom(mirror);
  const request = { channel: 'stable', arch: 'amd64', mirror: mirror.url } as const;

  await t.test('versions may leave out the v, or the last number for the newest of it', async (t) => {
    for (const [version, found] of [
      ['v1.35.4', 'v1.35.4'],
      ['1.35.4', 'v1.35.4'],
      ['v1.35', 'v1.35.4'],
      ['1.36', 'v1.36.0'],
    ] as const) {
      t.equal((await kubernetes.plan({ ...request, version }, fetch)).version, found, version);
    }
  });

  await t.test('of a version that was never released, the newest that was', async (t) => {
    await t.rejects(kubernetes.plan({ ...request, version: 'v1.35.99' }, fetch), {
      code: 'not-found',
      remedy: /the newest is v1\.36\.0/,
    });
  });

  await t.test('a page in the place of the version or of a checksum is refused', async (t) => {
    mirror.files.set('/release/stable.txt', Buffer.from('<html>Log in</html>'));
    await t.rejects(kubernetes.plan(request, fetch), { code: 'refused', message: /stable\.txt: no version/ });
    mirror.files.set('/release/v1.36.0/bin/linux/amd64/kubectl.sha256', Buffer.from('<html>Log in</html>'));
    await t.rejects(kubernetes.plan({ ...request, version: 'v1.36.0' }, fetch), { code: 'refused' });
  });
});
