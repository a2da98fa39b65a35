import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openHttp } from '../../src/images/http-get.ts';
import { readImage } from '../../src/images/image-folder.ts';
import { createKeyRing } from '../../src/images/key-ring.ts';
import { planPull } from '../../src/images/plan-pull.ts';
import { pullImage } from '../../src/images/pull-image.ts';
import type { PullOptions } from '../../src/images/pull-options.ts';
import { IMAGE_VENDORS } from '../../src/images/vendors/index.ts';
import { verifyImage } from '../../src/images/verify-image.ts';
import { startVendorMirror } from '../support/vendor-mirror.ts';

// As Ubuntu's: two files are taken out of it.
const disc = t.testdir({ tree: { casper: { vmlinuz: 'a kernel', initrd: 'an initrd' } } });
execFileSync('xorriso', ['-as', 'mkisofs', '-quiet', '-R', '-J', '-o', 'image.iso', 'tree'], {
  cwd: disc,
  stdio: 'ignore',
});
const mirror = await startVendorMirror({ iso: readFileSync(join(disc, 'image.iso')) });
t.teardown(() => mirror[Symbol.asyncDispose]());
mirror.files.set('/key.asc', Buffer.from(mirror.signer.publicKey));
const http = await openHttp();
t.teardown(() => http[Symbol.asyncDispose]());

for (const vendor of IMAGE_VENDORS) {
  t.test(
    `${vendor.name} is pulled whole, with what is taken out of its files and made of its lists`,
    async (t) => {
      const assets = t.testdir({});
      const { fingerprint } = mirror.signer;
      const keys = vendor.keys
        .slice(0, 1)
        .map((key) => ({ ...key, fingerprint, url: `${mirror.url}/key.asc` }));
      const tried = { ...vendor, keys };
      const retry = { tries: 1 };
      const ring = createKeyRing({
        vendor: tried,
        assets,
        http,
        retry,
        rules: { now: new Date(), allowExpired: false },
        trust: [fingerprint],
        onNote: () => undefined,
      });
      const channel = vendor.name === 'ubuntu' ? '24.04' : (vendor.channels[0] ?? '');
      const options: PullOptions = {
        vendor: tried,
        request: { channel, arch: 'amd64', mirror: mirror.url },
        assets,
        http,
        ring,
        parallel: 4,
        insecureChecksums: keys.length === 0,
        keepBeside: false,
        now: new Date(),
        retry,
        onProgress: () => undefined,
      };
      const plan = await planPull(options);
      const { manifest, used } = await pullImage(plan, options);
      const wanted = [...plan.files, ...(plan.texts ?? [])].map(({ name }) => name);
      t.same(manifest.files.map(({ name }) => name).toSorted(), wanted.toSorted());
      t.equal(manifest.signedBy.length, keys.length);
      t.ok(used);
      for (const name of wanted) t.ok(existsSync(join(assets, vendor.name, name)), name);
      const [version] = (await readImage(assets, vendor.name)).versions;
      t.same(version && (await verifyImage(version)), []);
    },
  );
}
