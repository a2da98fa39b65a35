import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { openHttp } from '../../src/images/http-get.ts';
import { readImage, readImages } from '../../src/images/image-folder.ts';
import { createKeyRing, type KeyRingOptions } from '../../src/images/key-ring.ts';
import { lockImage } from '../../src/images/lock-image.ts';
import { planPull } from '../../src/images/plan-pull.ts';
import { pullImage } from '../../src/images/pull-image.ts';
import type { PullOptions } from '../../src/images/pull-options.ts';
import { useImage } from '../../src/images/use-image.ts';
import type { ImageRequest, ImageVendor } from '../../src/images/vendor.ts';
import { verifyImage } from '../../src/images/verify-image.ts';
import { makeGpg } from '../support/make-openpgp.ts';
import { etagOf } from '../support/start-mirror.ts';
import { checksumVendor, contentOf, startVendorMirror, testVendor } from '../support/test-vendor.ts';

const gpg = makeGpg(t);
const key = gpg.makeKey('Vendor <images@example.org>');
const stranger = gpg.makeKey('Stranger <stranger@example.org>');
const mirror = await startVendorMirror(t, gpg, key, ['1.9', '1.10']);
const vendor = testVendor(mirror, [key]);
const INITRD = '/stable/amd64/1.10/initrd.cpio.gz';

interface Given extends Partial<Omit<PullOptions, 'request' | 'ring'>> {
  readonly request?: Partial<ImageRequest>;
  readonly trust?: readonly string[];
  readonly confirm?: KeyRingOptions['confirm'];
  readonly keyFile?: Buffer;
}

async function pull(assets: string, { request, trust, confirm, keyFile, ...given }: Given = {}) {
  await using http = await openHttp({ times: { connect: 2_000, headers: 1_000, stall: 500 } });
  const retry = { tries: 2, pause: 1 };
  const chosen: ImageVendor = given.vendor ?? vendor;
  const rules = { now: new Date(), allowExpired: false };
  const ring = createKeyRing({
    vendor: chosen,
    assets,
    http,
    retry,
    rules,
    trust: trust ?? [key.fingerprint],
    confirm,
    ...(keyFile === undefined ? {} : { keyFile }),
    onNote: () => undefined,
  });
  const options: PullOptions = {
    vendor: chosen,
    request: { channel: 'stable', arch: 'amd64', mirror: chosen.mirror, ...request },
    assets,
    http,
    ring,
    parallel: 4,
    insecureChecksums: false,
    keepBeside: false,
    now: new Date(),
    retry,
    onProgress: () => undefined,
    ...given,
  };
  return await pullImage(await planPull(options), options);
}

t.test('versions lie side by side, and links lead to the current one', async (t) => {
  const assets = t.testdir({});
  const first = await pull(assets, { request: { version: '1.9' } });
  t.match(first, { state: 'pulled', used: { before: undefined } });
  const second = await pull(assets);
  t.match(second, { state: 'pulled', used: { before: '1.9', version: '1.10' } });
  const folder = join(assets, 'testos');
  t.equal(readlinkSync(join(folder, 'current')), '1.10');
  t.equal(readlinkSync(join(folder, 'vmlinuz')), 'current/vmlinuz');
  t.ok(readFileSync(join(folder, 'initrd.cpio.gz')).equals(mirror.files.get(INITRD) as Buffer));
  t.equal(statSync(join(folder, '1.10/vmlinuz')).mode & 0o777, 0o644);
  t.same(readdirSync(folder).toSorted(), ['1.10', '1.9', 'current', 'initrd.cpio.gz', 'vmlinuz']);
  const { versions, current } = await readImage(assets, 'testos');
  t.equal(current, '1.10');
  t.same(
    versions.map(({ manifest }) => manifest.version),
    ['1.9', '1.10'],
    '1.9 comes before 1.10',
  );
  t.match(versions[1]?.manifest, {
    vendor: 'testos',
    channel: 'stable',
    formats: ['ignition'],
    signedBy: [{ fingerprint: key.fingerprint, owner: key.owner }],
    files: [{ name: 'vmlinuz', size: 300_000, proof: /^signature by / }, { name: 'initrd.cpio.gz' }],
  });
  t.same(await verifyImage(versions[0] as (typeof versions)[0]), []);

  const asked = mirror.asked.length;
  t.match(await pull(assets), { state: 'present', used: { before: '1.10' } });
  t.notMatch(mirror.asked.slice(asked).join(), 'initrd.cpio.gz', 'what is there is not fetched again');
  t.match(await useImage(await readImage(assets, 'testos'), '1.9', new Date()), { before: '1.10' });
  t.equal(readlinkSync(join(folder, 'current')), '1.9');
  await t.rejects(useImage(await readImage(assets, 'testos'), '2', new Date()), { code: 'not-found' });
});

t.test(
  'a version can be kept beside the current one, and of another processor in a folder of its own',
  async (t) => {
    const assets = t.testdir({});
    for (const [path, content] of Array.from(mirror.files))
      mirror.files.set(path.replace('/amd64/', '/arm64/'), content);
    const kept = await pull(assets, { keepBeside: true, request: { arch: 'arm64' } });
    t.equal(kept.folder, join(assets, 'testos-arm64/1.10'));
    t.notOk(existsSync(join(assets, 'testos-arm64/current')));
    t.same(
      (await readImages(assets)).map(({ name }) => name),
      ['testos-arm64'],
    );
  },
);

t.test("what is not the vendor's never becomes usable", async (t) => {
  const good = mirror.files.get(INITRD) as Buffer;
  const signature = mirror.files.get(`${INITRD}.sig`) as Buffer;
  const latest = mirror.files.get('/stable/amd64/latest') as Buffer;
  const tampered = Buffer.from(good);
  tampered[150_000] = (tampered[150_000] ?? 0) ^ 1;
  const rows: [string, Record<string, Buffer>, RegExp][] = [
    ['a bit of a file', { [INITRD]: tampered }, /does not fit/],
    ['a file that is cut', { [INITRD]: good.subarray(0, 1000) }, /does not fit/],
    ['another file', { [INITRD]: mirror.files.get('/stable/amd64/1.10/vmlinuz') as Buffer }, /does not fit/],
    [
      'signed by somebody else',
      { [INITRD]: good, [`${INITRD}.sig`]: gpg.sign(good, stranger.fingerprint) },
      /none of the vendor's/,
    ],
    [
      'both by somebody else',
      { [INITRD]: tampered, [`${INITRD}.sig`]: gpg.sign(tampered, stranger.fingerprint) },
      /none of the vendor's/,
    ],
    [
      'the signature of another file',
      { [`${INITRD}.sig`]: mirror.files.get('/stable/amd64/1.10/vmlinuz.sig') as Buffer },
      /does not fit/,
    ],
    ['no signature but a page', { [`${INITRD}.sig`]: Buffer.from('<html>') }, /no OpenPGP signature/],
    [
      'an old file over SHA-1',
      { [`${INITRD}.sig`]: gpg.sign(good, key.fingerprint, '--digest-algo', 'SHA1') },
      /SHA-1/,
    ],
    ['a version that nobody signed', { '/stable/amd64/latest': Buffer.from('9.9\n') }, /no signed text/],
    [
      'a version that leads elsewhere',
      { '/stable/amd64/latest': gpg.sign('../../etc\n', key.fingerprint, '--clear-sign') },
      /cannot be right: the version/,
    ],
    ['another key at the URL', { '/key.asc': gpg.export(stranger) }, /has the key .*, and not the one/],
  ];
  for (const [name, files, message] of rows) {
    const assets = t.testdir({});
    const before = new Map(mirror.files);
    for (const [path, content] of Object.entries(files)) mirror.files.set(path, content);
    await t.rejects(pull(assets), { code: 'refused', message }, name);
    for (const [path, content] of before) mirror.files.set(path, content);
    t.same(await readImages(assets), [], `${name}: no image`);
    t.notOk(existsSync(join(assets, 'testos/initrd.cpio.gz')), `${name}: no link`);
    t.notOk(existsSync(join(assets, 'testos/.pull-1.10/initrd.cpio.gz')), `${name}: not kept either`);
    t.match(await pull(assets), { state: 'pulled' }, `${name}: a good mirror mends it`);
  }
  t.ok(signature.length > 0 && latest.length > 0);
});

t.test(
  'a file that vanishes, or stalls, in the middle leaves nothing usable; the next pull fetches only what is missing',
  async (t) => {
    const assets = t.testdir({});
    mirror.bad.set(INITRD, (_request, response) => void response.writeHead(404).end());
    await t.rejects(pull(assets, { parallel: 1 }), { code: 'not-found' });
    mirror.bad.set(
      INITRD,
      (_request, response) => void response.writeHead(200, { 'content-length': '300000' }).write('x'),
    );
    await t.rejects(pull(assets, { parallel: 1 }), { code: 'unavailable', message: /stopped sending/ });
    mirror.bad.delete(INITRD);
    t.same(await readImages(assets), []);
    mirror.asked.length = 0;
    t.match(await pull(assets), { state: 'pulled' });
    t.notOk(
      mirror.asked.some((line) => line.endsWith('/vmlinuz')),
      'the kernel was whole already',
    );
  },
);

t.test('what lies in the hidden folder is proven again before it is used', async (t) => {
  const assets = t.testdir({
    testos: { '.pull-1.10': { vmlinuz: 'from somebody else', 'image.json': '{}', strange: 'x' } },
  });
  t.match(await pull(assets), { state: 'pulled' });
  t.ok(readFileSync(join(assets, 'testos/vmlinuz')).equals(contentOf('/stable/amd64/1.10/vmlinuz', 300_000)));
  t.notOk(existsSync(join(assets, 'testos/1.10/strange')));
});

t.test('a resumed file that does not hold is fetched once more from its first byte', async (t) => {
  const good = mirror.files.get(INITRD) as Buffer;
  // The same entity tag, and other bytes: two machines behind one name.
  const origin = { url: `${mirror.url}${INITRD}`, validator: etagOf(good), total: good.length };
  const part = 'initrd.cpio.gz.part';
  const left = { [part]: 'x'.repeat(100_000), [`${part}.json`]: JSON.stringify(origin) };
  const assets = t.testdir({ testos: { '.pull-1.10': left } });
  mirror.asked.length = 0;
  t.match(await pull(assets), { state: 'pulled' });
  const asked = mirror.asked.filter((line) => line.startsWith(`GET ${INITRD}`) && !line.includes('.sig'));
  t.same(asked, [`GET ${INITRD} bytes=100000-`, `GET ${INITRD}`]);
});

t.test('a key is confirmed once, never silently', async (t) => {
  const assets = t.testdir({});
  await t.rejects(pull(assets, { trust: [] }), {
    code: 'refused',
    message: /not confirmed: [0-9A-F]{4} /,
    remedy: /--trust [0-9A-F]{40}/,
  });
  await t.rejects(pull(assets, { trust: [stranger.fingerprint] }), {
    code: 'refused',
    message: `and --trust names ${stranger.fingerprint}`,
  });
  const asked: string[] = [];
  const answer = (yes: boolean) => (question: { readonly fingerprint: string }) => {
    asked.push(question.fingerprint.replaceAll(' ', ''));
    return Promise.resolve(yes);
  };
  await t.rejects(pull(assets, { trust: [], confirm: answer(false) }), { code: 'refused' });
  await pull(assets, { trust: [], confirm: answer(true) });
  t.same(asked, [key.fingerprint, key.fingerprint]);
  t.match(
    await pull(assets, { trust: [], request: { version: '1.9' } }),
    { state: 'pulled' },
    'it is remembered',
  );
  t.equal(lstatSync(join(assets, '.trusted-keys.json')).mode & 0o777, 0o644);

  const good = mirror.files.get('/key.asc') as Buffer;
  mirror.files.delete('/key.asc');
  await rm(join(assets, 'testos'), { recursive: true });
  t.match(await pull(assets, { trust: [] }), { state: 'pulled' }, 'its copy does where the URL has none');
  const empty = t.testdir({});
  await t.rejects(pull(empty), {
    code: 'unavailable',
    message: /the key of testos cannot be fetched/,
    remedy: /--key FILE/,
  });
  t.match(await pull(empty, { keyFile: good }), { state: 'pulled' });
  mirror.files.set('/key.asc', good);
  await writeFile(join(empty, '.trusted-keys.json'), '{');
  await t.rejects(pull(empty, { request: { version: '1.9' } }), { code: 'refused', message: /is damaged/ });
});

t.test('what was put there by hand is never overwritten', async (t) => {
  const assets = t.testdir({ testos: { vmlinuz: 'mine' } });
  const pulled = await pull(assets);
  t.match(pulled, {
    state: 'pulled',
    notUsed: { code: 'conflict', message: /vmlinuz was put there by hand/, remedy: /mv .*vmlinuz .*by-hand/ },
  });
  t.equal(readFileSync(join(assets, 'testos/vmlinuz'), 'utf8'), 'mine');
  t.notOk(existsSync(join(assets, 'testos/current')), 'nothing of the links is made');
  await mkdir(join(assets, 'testos/by-hand'));
  await rename(join(assets, 'testos/vmlinuz'), join(assets, 'testos/by-hand/vmlinuz'));
  t.match(await pull(assets), { state: 'present', used: { version: '1.10' } });

  const other = t.testdir({ testos: { '1.10': { vmlinuz: 'mine' } } });
  await t.rejects(pull(other), {
    code: 'conflict',
    message: /no pull put it there/,
    remedy: /^Move it away/,
  });
  t.same(readdirSync(join(other, 'testos/1.10')), ['vmlinuz']);
});

t.test('two pulls of one image are one after the other', async (t) => {
  const assets = t.testdir({ testos: {} });
  {
    await using held = await lockImage(join(assets, 'testos'));
    void held;
    await t.rejects(pull(assets), { code: 'busy', message: /process \d+/, remedy: /Wait/ });
  }
  const outcomes = await Promise.allSettled([pull(assets), pull(assets)]);
  const failures = outcomes.filter((one) => one.status === 'rejected').map(({ reason }) => reason as object);
  t.ok(failures.length < 2);
  for (const failure of failures) t.match(failure, { code: 'busy' });
  t.match(await pull(assets), { state: 'present' });
});

t.test('checksums that nobody signed are taken over https, or where the risk is named', async (t) => {
  const bare = checksumVendor(mirror);
  const { createHash } = await import('node:crypto');
  const content = contentOf('kubelet', 50_000);
  mirror.files.set('/1/bin/kubelet', content);
  mirror.files.set(
    '/1/SHA512SUMS',
    Buffer.from(`${createHash('sha512').update(content).digest('hex')}  bin/kubelet\n`),
  );
  const assets = t.testdir({});
  await t.rejects(pull(assets, { vendor: bare }), {
    code: 'refused',
    message: /plain http/,
    remedy: /--insecure-checksums/,
  });
  const pulled = await pull(assets, { vendor: bare, insecureChecksums: true });
  t.match(pulled.manifest, { signedBy: [], files: [{ name: 'bin/kubelet', proof: /checksum only/ }] });
  t.equal(readlinkSync(join(assets, 'bareos/bin')), 'current/bin');
  t.equal(statSync(join(assets, 'bareos/bin')).mode & 0o777, 0o755);
  mirror.files.set('/2/SHA512SUMS', Buffer.from(`${'0'.repeat(128)}  kubelet\n`));
  mirror.files.set('/2/kubelet', content);
  await t.rejects(pull(assets, { vendor: bare, insecureChecksums: true, request: { version: '2' } }), {
    code: 'refused',
    message: /its sha512 is/,
  });
  for (const name of ['../evil', '.hidden', 'a//b', 'image.json', '', 'x/../../y']) {
    mirror.files.set('/3/SHA512SUMS', Buffer.from(`${'0'.repeat(128)}  ${name}\n`));
    await t.rejects(
      pull(assets, { vendor: bare, insecureChecksums: true, request: { version: '3' } }),
      { code: 'refused', message: /cannot be right/ },
      name,
    );
  }
  t.same(
    readdirSync(join(assets, 'bareos')).filter((name) => /^[23]/.test(name)),
    [],
  );
});
