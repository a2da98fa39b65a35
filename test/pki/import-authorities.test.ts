import { execSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { AuthorityName } from '../../src/machine/identity.ts';
import { changeTrust } from '../../src/pki/change-trust.ts';
import { describeFolder } from '../../src/pki/describe-authority.ts';
import { importAuthorities } from '../../src/pki/import-authorities.ts';
import { planRotation } from '../../src/pki/plan-rotation.ts';
import type { ImportText } from '../../src/pki/read-imports.ts';
import {
  type AuthorityOptions,
  entitlement,
  makeFolder,
  makeForeignAuthority,
  open,
  openssl,
  smallKeys,
} from './support/make-cluster.ts';

const DAY = 24 * 60 * 60 * 1000;
const P256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];

function foreign(folder: string, options: AuthorityOptions = {}): ImportText {
  const { certificate, key } = makeForeignAuthority(folder, { key: P256, ...options });
  return { text: readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'), file: certificate };
}

const run = (
  folder: string,
  authorities: Partial<Record<AuthorityName, ImportText>>,
  more: { replace?: boolean; now?: number; serviceAccounts?: ImportText } = {},
) =>
  importAuthorities({
    folder: join(folder, 'pki'),
    authorities,
    now: Date.now(),
    random: (count) => new Uint8Array(count),
    keys: smallKeys,
    ...more,
  });

t.test(
  'authorities of a cluster that exists are taken over before the first start; the rest is made',
  async (t) => {
    const folder = makeFolder(t);
    const kubernetes = foreign(folder, { name: 'kubernetes', key: ['-newkey', 'rsa:2048'] });
    openssl('genrsa', '-traditional', '-out', join(folder, 'sa.key'), '2048');
    const sa = readFileSync(join(folder, 'sa.key'), 'utf8');
    const result = await run(folder, { kubernetes }, { serviceAccounts: { text: sa, file: 'sa.key' } });
    t.match(result, {
      imported: [{ name: 'kubernetes', subject: 'CN=kubernetes', key: 'RSA 2048', selfSigned: true }],
      made: ['etcd', 'front-proxy'],
      serviceAccounts: 'imported',
      unchanged: [],
      warnings: { length: 0 },
    });
    for (const file of readdirSync(join(folder, 'pki'))) {
      t.equal(statSync(join(folder, 'pki', file)).mode & 0o777, 0o600, file);
    }
    const authorities = await open(folder);
    const { certificatePem } = await authorities.issue(entitlement('node'));
    writeFileSync(join(folder, 'leaf.crt'), certificatePem);
    t.match(openssl('verify', '-x509_strict', '-CAfile', kubernetes.file, join(folder, 'leaf.crt')), /OK/);
    t.equal(
      authorities.serviceAccountKeys().publicKeyPem,
      openssl('pkey', '-in', join(folder, 'sa.key'), '-pubout'),
    );
    const again = await run(folder, { kubernetes }, { serviceAccounts: { text: sa, file: 'sa.key' } });
    t.match(
      again,
      {
        imported: { length: 0 },
        unchanged: ['kubernetes'],
        made: { length: 0 },
        serviceAccounts: 'unchanged',
      },
      'twice is once',
    );
  },
);

t.test('an authority on an elliptic curve signs with it', async (t) => {
  const rows: [string, string][] = [
    ['P-256', 'ecdsa-with-SHA256'],
    ['P-384', 'ecdsa-with-SHA384'],
    ['P-521', 'ecdsa-with-SHA256'],
  ];
  for (const [curve, algorithm] of rows) {
    const folder = makeFolder(t);
    const kubernetes = foreign(folder, { key: ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${curve}`] });
    await run(folder, { kubernetes });
    const authorities = await open(folder);
    writeFileSync(join(folder, 'leaf.crt'), (await authorities.issue(entitlement('node'))).certificatePem);
    const leaf = join(folder, 'leaf.crt');
    t.match(openssl('verify', '-x509_strict', '-CAfile', kubernetes.file, leaf), /OK/, curve);
    t.match(openssl('x509', '-in', leaf, '-noout', '-text'), `Signature Algorithm: ${algorithm}`);
  }
});

/** A root, an authority below it, and what both are in files. */
function makeChain(
  folder: string,
  rootExtensions: readonly string[] = ['basicConstraints=critical,CA:TRUE'],
) {
  const root = makeForeignAuthority(folder, { name: 'root', key: P256, extensions: rootExtensions });
  const key = join(folder, 'middle.key');
  const file = join(folder, 'middle.crt');
  openssl(
    'req',
    '-new',
    '-nodes',
    ...P256,
    '-keyout',
    key,
    '-subj',
    '/O=Example/CN=middle',
    '-out',
    join(folder, 'middle.csr'),
  );
  writeFileSync(
    join(folder, 'middle.ext'),
    'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n',
  );
  openssl(
    'x509',
    '-req',
    '-in',
    join(folder, 'middle.csr'),
    '-CA',
    root.certificate,
    '-CAkey',
    root.key,
    '-extfile',
    join(folder, 'middle.ext'),
    '-days',
    '1000',
    '-out',
    file,
  );
  const own = readFileSync(file, 'utf8') + readFileSync(key, 'utf8');
  return { own, root: readFileSync(root.certificate, 'utf8'), rootFile: root.certificate, file };
}

t.test('an intermediate authority brings its chain, and machines get it', async (t) => {
  const folder = makeFolder(t);
  const { own, root, rootFile, file } = makeChain(folder);
  const { imported } = await run(folder, { kubernetes: { text: own + root, file } });
  t.match(imported, [{ selfSigned: false, alsoTrusted: [{ relation: 'issuer', subject: 'CN=root' }] }]);
  const authorities = await open(folder);
  const { certificatePem } = await authorities.issue(entitlement('node'));
  t.equal(
    certificatePem.match(/BEGIN CERTIFICATE/g)?.length,
    2,
    'the certificate and the authority, not the root',
  );
  writeFileSync(join(folder, 'leaf.crt'), certificatePem);
  t.match(
    openssl('verify', '-CAfile', rootFile, '-untrusted', join(folder, 'leaf.crt'), join(folder, 'leaf.crt')),
    /OK/,
    'with the root alone',
  );
  writeFileSync(join(folder, 'trust.crt'), authorities.trustOf('kubernetes'));
  t.match(openssl('verify', '-CAfile', join(folder, 'trust.crt'), join(folder, 'leaf.crt')), /OK/);
  t.equal(new X509Certificate(certificatePem).issuer, 'O=Example\nCN=middle');
});

t.test('a chain that does not end at a root is taken with a warning', async (t) => {
  const folder = makeFolder(t);
  const { own, file } = makeChain(folder);
  const { warnings } = await run(folder, { kubernetes: { text: own, file } });
  t.match(warnings, [
    { severity: 'warning', message: /ends at O=Example, CN=middle, which is no root/, file },
  ]);
});

t.test('what is no authority, or of no use, is refused; nothing is written', async (t) => {
  const folder = makeFolder(t);
  const good = foreign(folder, { name: 'good' });
  const other = foreign(folder, { name: 'other' });
  const [certificate = '', key = ''] = good.text.split(/(?=-----BEGIN PRIVATE KEY)/);
  const [, otherKey = ''] = other.text.split(/(?=-----BEGIN PRIVATE KEY)/);
  const chain = makeChain(folder, ['basicConstraints=critical,CA:TRUE,pathlen:0']);
  const forged = makeForeignAuthority(folder, { name: 'root', key: P256 });
  openssl(
    'pkey',
    '-in',
    good.file.replace('.crt', '.key'),
    '-aes256',
    '-passout',
    'pass:x',
    '-out',
    `${folder}/enc.key`,
  );
  openssl(
    'ec',
    '-in',
    good.file.replace('.crt', '.key'),
    '-aes256',
    '-passout',
    'pass:x',
    '-out',
    `${folder}/old.key`,
  );
  const CA = 'basicConstraints=critical,CA:TRUE';
  const make = (name: string, options: AuthorityOptions): string =>
    foreign(folder, { name, ...options }).text;
  const rows: [string, string, readonly RegExp[]][] = [
    [
      'a server certificate',
      make('leaf', { extensions: ['basicConstraints=CA:FALSE'] }),
      [/is no authority/],
    ],
    ['of version 1', make('v1', { extensions: [] }), [/is no authority/]],
    ['no right to sign', make('usage', { extensions: [CA, 'keyUsage=cRLSign'] }), [/no keyCertSign/]],
    [
      'for servers only',
      make('eku', { extensions: [CA, 'extendedKeyUsage=serverAuth'] }),
      [/leaves out client/],
    ],
    ['a weak key', make('weak', { key: ['-newkey', 'rsa:1024'] }), [/1024 bits, and 2048/]],
    ['a kind of key', make('ed', { key: ['-newkey', 'ed25519'] }), [/kind ed25519/]],
    ["another's key", certificate + otherKey, [/private key is not the one/]],
    ['no key', certificate, [/no private key/]],
    ['two keys', certificate + key + otherKey, [/2 private keys/]],
    ['no certificate', key, [/no certificate/]],
    ['nothing', 'hello', [/no private key/]],
    ['cut off', good.text.slice(0, -60), [/cut off/]],
    ['an encrypted key', certificate + readFileSync(`${folder}/enc.key`, 'utf8'), [/encrypted/]],
    [
      'an encrypted key of the old kind',
      certificate + readFileSync(`${folder}/old.key`, 'utf8'),
      [/encrypted/],
    ],
    [
      'a request',
      certificate + key + openssl('req', '-new', '-key', good.file.replace('.crt', '.key'), '-subj', '/'),
      [/neither a certificate/],
    ],
    ['forbidden by its root', chain.own + chain.root, [/forbids it \(pathLenConstraint 0\)/]],
    [
      'below a namesake of its root',
      chain.own + readFileSync(forged.certificate, 'utf8'),
      [/was not signed by/],
    ],
    [
      'several things at once',
      make('bad', {
        key: ['-newkey', 'rsa:1024'],
        extensions: ['basicConstraints=CA:FALSE', 'keyUsage=cRLSign'],
      }),
      [/is no authority/, /no keyCertSign/, /1024 bits/],
    ],
  ];
  for (const [label, text, messages] of rows) {
    const error = await run(folder, { kubernetes: { text, file: 'given.pem' } }).catch(
      (thrown: unknown) => thrown,
    );
    t.match(error, { code: 'invalid-config', message: /nothing was changed/ }, label);
    t.match(
      (error as { problems: readonly unknown[] }).problems,
      messages.map((message) => ({ message, file: 'given.pem', severity: 'error' })),
      label,
    );
    t.notOk(
      readdirSync(folder).some((name) => name.includes('pki')),
      label,
    );
  }
});

t.test(
  'an authority that has expired, or will be valid only later, is refused; one that soon expires is warned of',
  async (t) => {
    const folder = makeFolder(t);
    const kubernetes = foreign(folder, { days: 100 });
    const rows: [number, RegExp][] = [
      [101, /it expired on .* \(it is/],
      [-2, /valid from .* on only/],
    ];
    for (const [days, message] of rows) {
      await t.rejects(run(folder, { kubernetes }, { now: Date.now() + days * DAY }), {
        code: 'invalid-config',
        problems: [{ message }],
      });
    }
    const { warnings } = await run(folder, { kubernetes });
    t.match(warnings, [{ message: /it expires on/, remedy: /rotate-plan/ }]);
  },
);

t.test('two authorities that are one are refused', async (t) => {
  const folder = makeFolder(t);
  const one = foreign(folder);
  await t.rejects(run(folder, { kubernetes: one, etcd: one }), {
    code: 'invalid-config',
    remedy: /would open etcd/,
  });
  await run(folder, { kubernetes: one });
  await t.rejects(run(folder, { etcd: one }, { replace: true }), { code: 'invalid-config' });
});

t.test(
  'an authority in use is replaced only if that was said; then its file is kept and it stays trusted',
  async (t) => {
    const folder = makeFolder(t);
    const before = await open(folder);
    const old = before.describe().find(({ name }) => name === 'etcd');
    const oldText = readFileSync(join(folder, 'pki/etcd.pem'), 'utf8');
    const etcd = foreign(folder);
    await t.rejects(run(folder, { etcd }), {
      code: 'refused',
      message: /has another etcd already/,
      remedy: /--replace/,
    });
    t.same((await open(folder)).describe(), before.describe(), 'nothing changed');
    const now = Date.UTC(2030, 0, 2, 3, 4, 5);
    const { imported } = await run(folder, { etcd }, { replace: true, now });
    t.match(imported, [
      { subject: 'CN=foreign', alsoTrusted: [{ relation: 'other', fingerprint: old?.fingerprint }] },
    ]);
    const kept = join(folder, 'pki/etcd.until-2030-01-02T03-04-05.old');
    t.equal(readFileSync(kept, 'utf8'), oldText);
    t.equal(statSync(kept).mode & 0o777, 0o600);
    const after = await open(folder);
    t.equal(after.trustOf('etcd').match(/BEGIN CERTIFICATE/g)?.length, 2);
    t.equal(after.trustOf('kubernetes'), before.trustOf('kubernetes'));
  },
);

t.test('what is missing can be brought, and a broken file can be replaced', async (t) => {
  const folder = makeFolder(t);
  await open(folder);
  const etcd = foreign(folder);
  unlinkSync(join(folder, 'pki/etcd.pem'));
  await t.resolves(run(folder, { etcd }), 'nobody is replaced');
  writeFileSync(join(folder, 'pki/etcd.pem'), 'broken');
  await t.rejects(run(folder, { etcd }), { code: 'refused' });
  await t.resolves(run(folder, { etcd }, { replace: true }));
  t.match((await open(folder)).describe()[1], { subject: 'CN=foreign', alsoTrusted: { length: 0 } });
});

t.test('a rotation: trust both, replace, trust the old one no more', async (t) => {
  const folder = makeFolder(t);
  const pki = join(folder, 'pki');
  // The new authority is made after this line, and is not valid before.
  const now = Date.now() + 60_000;
  const plan = async () => planRotation((await describeFolder(pki)) ?? [], now, pki)[0];
  const before = await open(folder);
  const oldNode = await before.issue(entitlement('node'));
  const { certificate, key } = makeForeignAuthority(folder, { name: 'new', key: P256 });
  const certificateText = { text: readFileSync(certificate, 'utf8'), file: certificate };
  const expectTrust = async (pem: string, text: RegExp, label: string): Promise<void> => {
    writeFileSync(join(folder, 'trust.crt'), (await open(folder)).trustOf('kubernetes'));
    writeFileSync(join(folder, 'leaf.crt'), pem);
    const said = (() => {
      try {
        return openssl('verify', '-CAfile', join(folder, 'trust.crt'), join(folder, 'leaf.crt'));
      } catch (error) {
        return String(error);
      }
    })();
    t.match(said, text, label);
  };

  t.match(await plan(), { state: 'fine', authority: 'kubernetes' });
  const first = before.describe()[0]?.fingerprint ?? '';
  const distrusted = async () => (await plan())?.steps.at(-2)?.command;
  t.match(await distrusted(), `--distrust ${first}`);
  await changeTrust({ folder: pki, authority: 'kubernetes', add: certificateText, now });
  await changeTrust({ folder: pki, authority: 'kubernetes', add: certificateText, now });
  t.match((await describeFolder(pki))?.[0], { alsoTrusted: { length: 1 } }, 'twice is once');
  t.match(await plan(), { state: 'under-way' });
  t.match(await distrusted(), `--distrust ${first}`, 'not the new one, which is only trusted yet');
  t.match((await plan())?.steps[0], { what: /boot every machine again/ }, 'what is done is not said again');
  await expectTrust(oldNode.certificatePem, /OK/, 'the old one still signs');

  const text = certificateText.text + readFileSync(key, 'utf8');
  await run(folder, { kubernetes: { text, file: certificate } }, { replace: true });
  const newNode = await (await open(folder)).issue(entitlement('node'));
  await expectTrust(newNode.certificatePem, /OK/, 'the new one signs');
  await expectTrust(oldNode.certificatePem, /OK/, 'machines that did not boot yet are known');

  const old = (await describeFolder(pki))?.[0]?.alsoTrusted[0]?.fingerprint ?? '';
  t.equal(old, first, 'what signed before is what the first plan would distrust');
  t.match(
    (await plan())?.steps.map(({ command }) => command),
    [
      undefined,
      'sudo tinderbox kubeconfig',
      `--distrust ${old}`,
      `find ${pki} -name 'kubernetes.until-*.old'`,
    ],
    'what is left once it is replaced',
  );
  await changeTrust({ folder: pki, authority: 'kubernetes', remove: [old.toLowerCase()], now });
  await expectTrust(newNode.certificatePem, /OK/, 'the new one signs');
  await expectTrust(oldNode.certificatePem, /unable to get local issuer/, 'the old one is gone');
  t.match(await plan(), { state: 'fine' });

  await t.rejects(changeTrust({ folder: pki, authority: 'etcd', remove: ['AB:CD'], now }), {
    code: 'not-found',
  });
  const leaf = { text: newNode.certificatePem, file: 'leaf.crt' };
  await t.rejects(changeTrust({ folder: pki, authority: 'etcd', add: leaf, now }), {
    code: 'invalid-config',
    problems: [{ message: /is no authority/, file: 'leaf.crt' }],
  });
  for (const bad of ['', 'x', '-----BEGIN CERTIFICATE-----']) {
    const add = { text: bad, file: 'bad.crt' };
    await t.rejects(
      changeTrust({ folder: pki, authority: 'etcd', add, now }),
      { code: 'invalid-config' },
      bad,
    );
  }
});

t.test('the plan says when to begin, and what is left to do when it is too late', async (t) => {
  const end = Date.UTC(2036, 0, 1);
  const description = {
    name: 'etcd',
    subject: 'CN=etcd-ca',
    issuer: 'CN=etcd-ca',
    selfSigned: true,
    serial: '01',
    fingerprint: 'AA',
    key: 'EC P-256',
    notBefore: 0,
    notAfter: end,
    alsoTrusted: [],
  } as const;
  const at = (days: number, more: object = {}) =>
    planRotation([{ ...description, ...more }], end - days * DAY, '/state/pki')[0];
  t.match(at(181), { state: 'fine', expires: end, startBy: end - 180 * DAY });
  t.match(at(180), { state: 'due' });
  t.match(at(0), { state: 'expired' });
  t.notOk(
    at(0)?.steps.some(({ command }) => command?.includes('--trust')),
    'nothing to keep alive',
  );
  const issuer = {
    relation: 'issuer',
    subject: 'CN=root',
    fingerprint: 'BB',
    notBefore: 0,
    notAfter: end - 50 * DAY,
  };
  t.match(
    at(100, { selfSigned: false, alsoTrusted: [issuer] }),
    { state: 'due', expires: end - 50 * DAY },
    'its issuer expires first',
  );
  for (const step of at(300)?.steps ?? [])
    t.match(step.command ?? 'tinderbox', /^(openssl req|sudo (tinderbox|find)|tinderbox)/);
});

t.test("the plan's own command makes an authority that can be imported", async (t) => {
  const folder = makeFolder(t);
  await open(folder);
  const [plan] = planRotation((await describeFolder(join(folder, 'pki'))) ?? [], Date.now(), '/state/pki');
  const command = plan?.steps[0]?.command ?? '';
  execSync(command.replace('rsa:4096', 'rsa:2048'), { cwd: folder, stdio: 'pipe' });
  const text =
    readFileSync(join(folder, 'new-kubernetes.crt'), 'utf8') +
    readFileSync(join(folder, 'new-kubernetes.key'), 'utf8');
  const result = await run(folder, { kubernetes: { text, file: 'new.crt' } }, { replace: true });
  t.match(result, { imported: [{ subject: 'CN=kubernetes-ca' }], warnings: { length: 0 } });
});
