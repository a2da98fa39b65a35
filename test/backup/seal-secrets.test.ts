import t from 'tap';
import { openSecrets, sealSecrets } from '../../src/backup/seal-secrets.ts';

const plain = Buffer.from('-----BEGIN PRIVATE KEY-----');
const context = Buffer.from('manifest');

t.test('what is sealed opens with its passphrase and beside its manifest only', async (t) => {
  const sealed = await sealSecrets(plain, 'correct horse battery', context);
  t.notOk(sealed.includes(plain.subarray(0, 10)));
  t.same(await openSecrets(sealed, 'correct horse battery', context), plain);
  await t.rejects(openSecrets(sealed, 'correct horse batterz', context), {
    code: 'refused',
    message: /passphrase/,
    remedy: /--only/,
  });
  await t.rejects(openSecrets(sealed, 'correct horse battery', Buffer.from('another')), { code: 'refused' });
  const again = await sealSecrets(plain, 'correct horse battery', context);
  t.notOk(again.subarray(12).equals(sealed.subarray(12)), 'salt and nonce are new each time');
});

t.test('a letter that has two encodings opens what either sealed', async (t) => {
  const sealed = await sealSecrets(plain, 'zw\u00f6lf Zeichen', context);
  t.same(await openSecrets(sealed, 'zwo\u0308lf Zeichen', context), plain);
});

t.test('every byte counts, and a header cannot ask for more than this host gives', async (t) => {
  const sealed = await sealSecrets(plain, 'correct horse battery', context);
  const changed = (at: number, to: number): Buffer => {
    const copy = Buffer.from(sealed);
    copy[at] = to;
    return copy;
  };
  const open = (bytes: Buffer) => openSecrets(bytes, 'correct horse battery', context);
  for (const at of [12, 28, 41, sealed.length - 1])
    await t.rejects(open(changed(at, (sealed[at] ?? 0) ^ 1)), { code: 'refused' }, `byte ${at}`);
  await t.rejects(open(changed(8, 2)), { code: 'refused', message: /version 2/, remedy: /newer/ });
  await t.rejects(open(changed(9, 31)), { code: 'refused' }, '2^31 is more memory than there is');
  const large = Buffer.from(sealed);
  large[9] = 20;
  large[10] = 16;
  await t.rejects(open(large), { code: 'refused', message: /version 1/ }, '2 GiB in a product of both');
  await t.rejects(open(changed(0, 0)), { code: 'invalid-config' });
  await t.rejects(open(sealed.subarray(0, 50)), { code: 'invalid-config' });
});
