import t from 'tap';
import { IMAGE_ARCHES, type ImageVendor } from '../../../src/images/vendor.ts';
import { IMAGE_VENDORS } from '../../../src/images/vendors/index.ts';
import { isFileName } from '../../../src/images/vendors/parse-checksums.ts';
import { CONFIG_FORMATS } from '../../../src/machine/role.ts';
import { fetchFrom } from '../../support/vendor-fetch.ts';
import { MIRROR_VERSIONS } from '../../support/vendor-layouts.ts';
import { startVendorMirror, type VendorMirror } from '../../support/vendor-mirror.ts';

/** The channel of each that the mirror has. */
const channelOf = ({ name, channels }: ImageVendor) =>
  name === 'ubuntu' ? '24.04' : (channels[0] as string);

t.test('every vendor is described, once, and its keys can be compared', async (t) => {
  const names = IMAGE_VENDORS.map(({ name }) => name);
  t.same(names, [...new Set(names)]);
  for (const { name, description, channels, arches, mirror, keys, formats } of IMAGE_VENDORS) {
    t.match(name, /^[a-z]+$/);
    t.ok(description.length > 10, name);
    t.ok(channels.length > 0 && channels.every((channel) => /^[a-z0-9.]+$/.test(channel)), name);
    t.ok(
      arches.every((arch) => IMAGE_ARCHES.includes(arch)),
      name,
    );
    t.match(mirror, /^https:\/\/[a-z0-9.-]+[^/](?:\/[a-z]+)?$/);
    t.ok(
      formats.every((format) => CONFIG_FORMATS.includes(format)),
      name,
    );
    for (const { fingerprint, url } of keys) {
      t.match(fingerprint, /^[0-9A-F]{40}$/);
      t.match(url, /^https:\/\//);
    }
  }
});

t.test('below a mirror', async (t) => {
  const mirror = await startVendorMirror();
  t.teardown(() => mirror[Symbol.asyncDispose]());
  for (const vendor of IMAGE_VENDORS) {
    for (const arch of vendor.arches) {
      await t.test(
        `${vendor.name} for ${arch} finds its newest version, and all its files are there`,
        async (t) => {
          const plan = await vendor.plan(
            { channel: channelOf(vendor), arch, mirror: mirror.url },
            fetchFrom(mirror),
          );
          t.equal(plan.version, newestOf(vendor));
          for (const { name, url, proof } of plan.files) {
            t.ok(isFileName(name) && !name.includes('/'), name);
            t.ok(url.startsWith(`${mirror.url}/`), url);
            t.ok(has(mirror, url), url);
            if (proof.kind === 'signature') t.ok(has(mirror, proof.url), proof.url);
            if (proof.kind === 'checksum') t.equal(proof.signed, vendor.keys.length > 0, name);
            if (proof.kind === 'member')
              t.ok(
                plan.files.some((file) => file.name === proof.of),
                name,
              );
          }
          t.equal(new Set(plan.files.map(({ name }) => name)).size, plan.files.length);
        },
      );
    }
  }

  for (const vendor of IMAGE_VENDORS) {
    await t.test(`${vendor.name} asks nothing of the mirror for a version that is no version`, async (t) => {
      for (const version of ['../../x', 'v1/../..', '-rf', '%2e%2e', '1'.repeat(300), '\u001b[2J']) {
        const asked = mirror.asked.length;
        const request = { channel: channelOf(vendor), version, arch: 'amd64', mirror: mirror.url } as const;
        await t.rejects(
          vendor.plan(request, fetchFrom(mirror)),
          { code: 'not-found' },
          JSON.stringify(version),
        );
        t.notOk(
          mirror.asked.slice(asked).some((line) => line.includes(version)),
          version,
        );
      }
    });
  }
});

function newestOf({ name }: ImageVendor): string {
  const versions = MIRROR_VERSIONS[name as keyof typeof MIRROR_VERSIONS];
  return typeof versions === 'string' ? versions : versions[1];
}

function has(mirror: VendorMirror, url: string): boolean {
  return mirror.files.has(url.slice(mirror.url.length));
}
