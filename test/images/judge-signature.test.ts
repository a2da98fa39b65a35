import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { judgeSignature, parseSignature } from '../../src/images/judge-signature.ts';
import { readVendorKeys } from '../../src/images/read-keys.ts';
import { verifyClearText, verifyFile, verifyText } from '../../src/images/verify-signature.ts';
import { type GpgKey, makeGpg } from '../support/make-openpgp.ts';

const gpg = makeGpg(t);
const folder = t.testdir({});
const CONTENT = Buffer.alloc(1_500_000, 'image');
const file = join(folder, 'image');
writeFileSync(file, CONTENT);
const NOW = new Date();
const DAY = 86_400_000;
const at = (time: number): string => `${new Date(time).toISOString().replaceAll(/[-:]|\.\d+Z/g, '')}!`;

const good = gpg.makeKey('Good <good@example.org>');
const subkey = gpg.addSubkey(good);
const other = gpg.makeKey('Other <other@example.org>');
const expired = gpg.makeKey('Expired <expired@example.org>', {
  expires: '10d',
  at: at(NOW.getTime() - 100 * DAY),
});
const revoked = gpg.makeKey('Revoked <revoked@example.org>');

const signatures = {
  good: gpg.sign(CONTENT, good.fingerprint),
  armored: gpg.sign(CONTENT, good.fingerprint, '--armor'),
  subkey: gpg.sign(CONTENT, subkey),
  other: gpg.sign(CONTENT, other.fingerprint),
  both: Buffer.concat([gpg.sign(CONTENT, other.fingerprint), gpg.sign(CONTENT, good.fingerprint)]),
  ofAnotherFile: gpg.sign('another', good.fingerprint),
  sha1: gpg.sign(CONTENT, good.fingerprint, '--digest-algo', 'SHA1'),
  md5: gpg.sign(CONTENT, good.fingerprint, '--digest-algo', 'MD5', '--allow-weak-digest-algos'),
  expired: gpg.sign(CONTENT, expired.fingerprint, '--faked-system-time', at(NOW.getTime() - 95 * DAY)),
  revoked: gpg.sign(CONTENT, revoked.fingerprint),
};
gpg.run('--import', revocation(revoked));

/** gpg makes one with each key, and puts a colon in front so that nobody imports it by accident. */
function revocation({ fingerprint }: GpgKey): string {
  const path = join(folder, 'revocation');
  writeFileSync(path, gpg.revocationOf(fingerprint));
  return path;
}

async function verify(signature: Buffer, key: GpgKey, allowExpired = false, path = file): Promise<string> {
  const keys = await readVendorKeys(gpg.export(key), 'the key', [{ ...key, url: 'https://example.org' }]);
  const parsed = await parseSignature(signature, 'image');
  const judged = await judgeSignature(parsed, keys, 'image', { now: new Date(), allowExpired });
  await verifyText(CONTENT, parsed, judged, 'image');
  return verifyFile(path, parsed, judged, 'image');
}

t.test('a signature by the key, or by a sub-key of it, holds', async (t) => {
  const sha512 = await verify(signatures.good, good);
  t.match(sha512, /^[0-9a-f]{128}$/);
  for (const name of ['armored', 'subkey', 'both'] as const)
    t.equal(await verify(signatures[name], good), sha512, name);
  t.equal(
    await verify(signatures.expired, expired, true),
    sha512,
    'made while the key was valid, and allowed',
  );
});

t.test('every other signature is refused, with the reason', async (t) => {
  const rows: [string, Buffer, GpgKey, RegExp][] = [
    [
      'by another key',
      signatures.other,
      good,
      /signed by the key [0-9A-F]{16}, which is none of the vendor's/,
    ],
    ['of another file', signatures.ofAnotherFile, good, /does not fit: the file is another one/],
    ['over SHA-1', signatures.sha1, good, /over SHA-1, which can be forged/],
    ['over MD5', signatures.md5, good, /over MD5, which can be forged/],
    [
      'by an expired key',
      signatures.expired,
      expired,
      /has expired on \d{4}-\d\d-\d\d; .*--allow-expired-key/,
    ],
    ['by a revoked key', signatures.revoked, revoked, /was revoked/],
    ['nonsense', Buffer.from('no signature'), good, /no OpenPGP signature/],
    ['an HTML page', Buffer.from('<html>404</html>'), good, /no OpenPGP signature/],
    ['nothing', Buffer.alloc(0), good, /no signature|no OpenPGP signature/],
    ['a key in its place', gpg.export(good), good, /no OpenPGP signature/],
  ];
  const keys = await readVendorKeys(gpg.export(good), 'the key', [{ ...good, url: 'https://example.org' }]);
  const early = { now: new Date(NOW.getTime() - DAY), allowExpired: false };
  await t.rejects(judgeSignature(await parseSignature(signatures.good, 'image'), keys, 'image', early), {
    message: /still to come by this host's clock/,
  });
  for (const [name, signature, key, message] of rows) {
    await t.rejects(verify(signature, key), { code: 'refused', message, remedy: /./ }, name);
  }
});

t.test('a byte of the file that was changed, or is missing, is noticed', async (t) => {
  for (const [name, bytes] of [
    [
      'changed',
      Buffer.concat([CONTENT.subarray(0, 1_000_000), Buffer.from('I'), CONTENT.subarray(1_000_001)]),
    ],
    ['cut', CONTENT.subarray(0, CONTENT.length - 1)],
    ['longer', Buffer.concat([CONTENT, Buffer.from('x')])],
  ] as const) {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    await t.rejects(
      verify(signatures.good, good, false, path),
      { code: 'refused', message: /does not fit/ },
      name,
    );
  }
});

/** Over no bytes at all, by the key itself. */
async function standalone(key: GpgKey): Promise<Buffer> {
  const { config, enums, PacketList, readPrivateKey, Signature, SignaturePacket } = await import('openpgp');
  const armoredKey = gpg.run('--armor', '--export-secret-keys', key.fingerprint).toString();
  const { keyPacket } = await readPrivateKey({ armoredKey });
  const packet = Object.assign(new SignaturePacket(), {
    signatureType: enums.signature.standalone,
    publicKeyAlgorithm: keyPacket.algorithm,
    hashAlgorithm: enums.hash.sha512,
  });
  const signing = packet as unknown as { sign(...of: readonly unknown[]): Promise<void> };
  await signing.sign(keyPacket, {}, new Date(NOW.getTime() - 1000), true, config);
  const packets = new PacketList();
  packets.push(packet);
  return Buffer.from(new Signature(packets as ConstructorParameters<typeof Signature>[0]).write());
}

t.test('a signature over nothing is refused for what it is', async (t) => {
  const made = await standalone(good);
  await t.rejects(verify(made, good), { code: 'refused', message: /type 2, which signs no file/ });
  const beside = Buffer.concat([signatures.ofAnotherFile, made]);
  await t.rejects(
    verify(beside, good),
    { code: 'refused', message: /does not fit/ },
    'beside one that counts',
  );
});

t.test('only the signature that was judged proves anything', async (t) => {
  const mixed = Buffer.concat([signatures.ofAnotherFile, signatures.good]);
  await t.rejects(verify(mixed, good), { code: 'refused', message: /does not fit/ });
  const keys = await readVendorKeys(gpg.export(good), 'the key', [{ ...good, url: 'https://example.org' }]);
  const quoted = gpg.sign('another', other.fingerprint, '--armor').toString();
  const text = gpg.sign(quoted, good.fingerprint, '--clear-sign').toString();
  const read = await verifyClearText(text, 'list', (signature) =>
    judgeSignature(signature, keys, 'list', { now: new Date(), allowExpired: false }),
  );
  t.match(read, quoted.trimEnd(), 'not one that the text itself holds');
});

t.test('a sub-key that was revoked, or has expired, signs nothing', async (t) => {
  const owner = gpg.makeKey('Subkeys <subkeys@example.org>');
  const sub = gpg.addSubkey(owner);
  const signature = gpg.sign(CONTENT, sub);
  t.ok(await verify(signature, owner));
  gpg.run('--quick-set-expire', owner.fingerprint, '1d', sub);
  const keys = await readVendorKeys(gpg.export(owner), 'the key', [{ ...owner, url: 'https://example.org' }]);
  const parsed = await parseSignature(signature, 'image');
  const later = new Date(NOW.getTime() + 2 * DAY);
  await t.rejects(judgeSignature(parsed, keys, 'image', { now: later, allowExpired: false }), {
    message: /the sub-key [0-9A-F]{16} of .* has expired/,
  });
  gpg.revokeSubkey(owner.fingerprint);
  await t.rejects(verify(signature, owner), { message: /the sub-key [0-9A-F]{16} of .* was revoked/ });
});

t.test('a text with its own signature gives what was signed, and nothing around it', async (t) => {
  const keys = await readVendorKeys(gpg.export(good), 'the key', [{ ...good, url: 'https://example.org' }]);
  const judge = (signature: Parameters<typeof judgeSignature>[0]) =>
    judgeSignature(signature, keys, 'list', { now: new Date(), allowExpired: false });
  const signed = gpg.sign('one\n- two\nthree\n', good.fingerprint, '--clear-sign').toString();
  t.equal((await verifyClearText(signed, 'list', judge)).trimEnd(), 'one\n- two\nthree');
  const rows: [string, string, RegExp][] = [
    ['a line was changed', signed.replace('three', 'four!'), /does not fit/],
    [
      'by another key',
      gpg.sign('one\n', other.fingerprint, '--clear-sign').toString(),
      /none of the vendor's/,
    ],
    [
      'over SHA-1',
      gpg.sign('one\n', good.fingerprint, '--clear-sign', '--digest-algo', 'SHA1').toString(),
      /SHA-1/,
    ],
    ['without a signature', 'one\ntwo\n', /no signed text/],
    ['only its head', signed.slice(0, 60), /no signed text/],
  ];
  for (const [name, text, message] of rows) {
    await t.rejects(verifyClearText(text, 'list', judge), { code: 'refused', message }, name);
  }
  for (const text of [`evil\n${signed}`, `${signed}evil\n`]) {
    const read = await verifyClearText(text, 'list', judge).catch(() => '');
    t.notMatch(read, /evil/);
  }
});

t.test('a key file with another key than the known one is refused, with both fingerprints', async (t) => {
  const wanted = [{ ...good, url: 'https://example.org' }];
  await t.rejects(readVendorKeys(gpg.export(other), 'https://example.org', wanted), {
    code: 'refused',
    message: /has the key .*, and not the one that Tinderbox knows: /,
  });
  await t.rejects(readVendorKeys(Buffer.from('no key'), 'x', wanted), {
    code: 'refused',
    message: /no OpenPGP key/,
  });
  const two = Buffer.concat([gpg.run('--export', other.fingerprint), gpg.run('--export', good.fingerprint)]);
  t.equal((await readVendorKeys(two, 'x', wanted)).length, 1, 'the others of a file are left out');
});
