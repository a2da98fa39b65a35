import { createPrivateKey, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { formatIpv4 } from '../../src/machine/ipv4.ts';
import { watcherEntitlement } from '../../src/pki/entitled-certificates.ts';
import { openAuthorities } from '../../src/pki/open-authorities.ts';
import { writePem } from '../../src/pki/pem.ts';
import type { Entitlement } from '../../src/pki/port.ts';
import {
  entitlement,
  everyEntitlement,
  FACTS,
  makeFolder,
  makeRequest,
  open,
  openssl,
  silent,
} from './support/make-cluster.ts';

const DAY = 24 * 60 * 60 * 1000;

t.test(
  'OpenSSL verifies every certificate of the table, for its uses and against its authority',
  async (t) => {
    const folder = makeFolder(t);
    const authorities = await open(folder);
    for (const name of ['kubernetes', 'etcd', 'front-proxy'] as const) {
      writeFileSync(join(folder, `${name}.crt`), authorities.trustOf(name));
      const text = openssl('x509', '-in', join(folder, `${name}.crt`), '-noout', '-text');
      t.match(text, /Basic Constraints: critical\n +CA:TRUE, pathlen:0\n/, name);
      t.match(text, /Key Usage: critical\n +Digital Signature, Certificate Sign, CRL Sign\n/);
    }
    for (const one of [...everyEntitlement(), watcherEntitlement()]) {
      const file = join(folder, 'leaf.crt');
      const { certificatePem, keyPem } = await authorities.issue(one);
      writeFileSync(file, certificatePem);
      const label = `${one.name} of ${one.subject.commonName}`;
      for (const purpose of ['client', 'server'] as const) {
        const verify = () =>
          openssl(
            'verify',
            '-x509_strict',
            '-CAfile',
            join(folder, `${one.authority}.crt`),
            '-purpose',
            `ssl${purpose}`,
            file,
          );
        if (one.usage.includes(purpose)) t.match(verify(), /OK/, `${label}: ${purpose}`);
        else t.throws(verify, /(unsupported|unsuitable) certificate purpose/, `${label}: no ${purpose}`);
      }
      for (const other of ['kubernetes', 'etcd', 'front-proxy'].filter((name) => name !== one.authority)) {
        t.throws(
          () => openssl('verify', '-CAfile', join(folder, `${other}.crt`), file),
          /unable to get local issuer/,
          `${label}: not by ${other}`,
        );
      }
      checkText(t, openssl('x509', '-in', file, '-noout', '-text', '-nameopt', 'RFC2253'), one);
      t.ok(new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem)));
    }
  },
);

function checkText(t: Pick<Test, 'equal'>, text: string, one: Entitlement): void {
  const { dns, addresses } = one.names;
  // RFC 2253 writes the last attribute first.
  const subject = [`CN=${one.subject.commonName}`, ...one.subject.organizations.map((name) => `O=${name}`)];
  const at = (pattern: RegExp): string | undefined => pattern.exec(text)?.[1];
  t.equal(at(/Subject: (.*)\n/), subject.join(','), `${one.name}: subject`);
  const names = [...dns.map((name) => `DNS:${name}`), ...addresses.map((a) => `IP Address:${formatIpv4(a)}`)];
  t.equal(at(/Alternative Name: ?\n +(.*)\n/), names.length === 0 ? undefined : names.join(', '), 'names');
  const words = { client: 'TLS Web Client Authentication', server: 'TLS Web Server Authentication' };
  t.equal(at(/Extended Key Usage: ?\n +(.*)\n/), one.usage.map((usage) => words[usage]).join(', '), 'usage');
  t.equal(at(/X509v3 Key Usage: critical\n +(.*)\n/), 'Digital Signature, Key Encipherment');
  t.equal(at(/Basic Constraints: critical\n +(.*)\n/), 'CA:FALSE');
  t.equal(at(/Version: (\d)/), '3');
  t.equal(at(/Signature Algorithm: (.*)\n/), 'sha256WithRSAEncryption');
}

t.test('a request is answered with a certificate for its key, on an elliptic curve too', async (t) => {
  const folder = makeFolder(t);
  const authorities = await open(folder);
  writeFileSync(join(folder, 'ca.crt'), authorities.trustOf('kubernetes'));
  const rows: [string, readonly string[], string][] = [
    ['RSA 2048', ['-newkey', 'rsa:2048'], 'Digital Signature, Key Encipherment'],
    ['RSA 3072', ['-newkey', 'rsa:3072'], 'Digital Signature, Key Encipherment'],
    ['P-256', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], 'Digital Signature'],
    [
      'P-384 and SHA-384',
      ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-sha384'],
      'Digital Signature',
    ],
  ];
  for (const [label, key, usage] of rows) {
    const request = makeRequest(folder, {
      key,
      subject: '/O=system:nodes/CN=system:node:node-1',
      names: 'DNS:node-1,IP:10.77.0.20',
    });
    const first = await authorities.signRequest(request.pem, entitlement('node'));
    const { certificatePem, keyFingerprint } = first;
    writeFileSync(join(folder, 'leaf.crt'), certificatePem);
    t.match(
      openssl('verify', '-x509_strict', '-CAfile', join(folder, 'ca.crt'), join(folder, 'leaf.crt')),
      /OK/,
      label,
    );
    t.equal(
      openssl('x509', '-in', join(folder, 'leaf.crt'), '-noout', '-pubkey'),
      openssl('pkey', '-in', request.key, '-pubout'),
      'the key is the one of the request',
    );
    t.match(
      openssl('x509', '-in', join(folder, 'leaf.crt'), '-noout', '-text'),
      `critical\n                ${usage}\n`,
    );
    const again = await authorities.signRequest(request.pem, entitlement('node'), {
      onlyKey: keyFingerprint,
    });
    t.equal(again.keyFingerprint, keyFingerprint, 'the same key may ask again');
    t.not(again.serial, first.serial, 'every certificate has a serial of its own');
  }
});

t.test('what is signed comes from the entitlement, however little was asked for', async (t) => {
  const folder = makeFolder(t);
  const authorities = await open(folder);
  const { certificatePem } = await authorities.signRequest(makeRequest(folder).pem, entitlement('node'));
  const certificate = new X509Certificate(certificatePem);
  t.equal(certificate.subject, 'O=system:nodes\nCN=system:node:node-1');
  t.equal(certificate.subjectAltName, 'DNS:node-1, IP Address:10.77.0.20');
});

t.test(
  'a request for more than the machine may have, or one that was tampered with, gets nothing',
  async (t) => {
    const folder = makeFolder(t);
    const authorities = await open(folder);
    const { pem } = makeRequest(folder, { subject: '/O=system:nodes/CN=system:node:node-1' });
    const other = makeRequest(folder, { subject: '/O=system:nodes/CN=system:node:node-2' }).pem;
    const der = Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64');
    // The name of another node, as long as its own.
    der.write('node-2', der.indexOf('node-1'));
    const tampered = writePem('CERTIFICATE REQUEST', der);
    const entitled = entitlement('node');
    await t.resolves(authorities.signRequest(pem, entitled));
    await t.rejects(authorities.signRequest(other, entitled), {
      code: 'refused',
      message: /CN=system:node:node-2/,
    });
    await t.rejects(authorities.signRequest(tampered, entitled), {
      code: 'refused',
      message: /its signature/,
    });
    await t.rejects(authorities.signRequest(pem, entitlement('kube-proxy')), {
      code: 'refused',
      message: /O=system:nodes/,
    });
  },
);

t.test('a second request with another key is refused before anything is signed', async (t) => {
  const folder = makeFolder(t);
  const authorities = await open(folder);
  const first = await authorities.signRequest(makeRequest(folder).pem, entitlement('node'));
  await t.rejects(
    authorities.signRequest(makeRequest(folder).pem, entitlement('node'), { onlyKey: first.keyFingerprint }),
    { code: 'in-use', message: /already, for another key/ },
  );
});

t.test('a certificate is valid from a day ago on, and not longer than its authority', async (t) => {
  const folder = makeFolder(t);
  const start = Date.UTC(2030, 0, 1);
  let now = start;
  const authorities = await open(folder, () => now);
  const end = authorities.describe()[0]?.notAfter ?? 0;
  const node = entitlement('node');
  // The authority is a day older than its first start.
  const soon = await authorities.issue(node);
  t.same([soon.notBefore, soon.notAfter], [start - DAY, start + node.lifetime]);
  now = end - 10 * DAY;
  const late = await authorities.issue(node);
  t.same([late.notBefore, late.notAfter], [now - DAY, end]);
  const { validFromDate, validToDate } = new X509Certificate(late.certificatePem);
  t.same([validFromDate.getTime(), validToDate.getTime()], [late.notBefore, late.notAfter]);
  t.ok(end > Date.UTC(2039, 11, 1) && end < Date.UTC(2040, 1, 1), 'an authority lasts ten years');
});

t.test('after 2049 times are written with four digits of the year', async (t) => {
  const folder = makeFolder(t);
  const now = Date.UTC(2049, 11, 1);
  const authorities = await open(folder, () => now);
  const { certificatePem } = await authorities.issue(entitlement('node'));
  t.equal(new X509Certificate(certificatePem).validToDate.getTime(), now + entitlement('node').lifetime);
  writeFileSync(join(folder, 'leaf.crt'), certificatePem);
  writeFileSync(join(folder, 'ca.crt'), authorities.trustOf('kubernetes'));
  t.match(
    openssl(
      'verify',
      '-x509_strict',
      '-attime',
      String(now / 1000),
      '-CAfile',
      join(folder, 'ca.crt'),
      join(folder, 'leaf.crt'),
    ),
    /OK/,
  );
});

t.test('nothing is signed with an expired authority, or by a clock that cannot be right', async (t) => {
  const folder = makeFolder(t);
  let now = Date.UTC(2030, 0, 1);
  const authorities = await open(folder, () => now);
  const rows: [string, number, string, RegExp][] = [
    [
      'expired',
      Date.UTC(2040, 5, 1),
      'expired',
      /the kubernetes authority expired on 2039-12-3\d|2040-01-0\d/,
    ],
    ['before the authority', Date.UTC(2029, 0, 1), 'unavailable', /clock of this host says 2029-01-01/],
    ['1970', 0, 'unavailable', /clock of this host says 1970-01-01/],
    ['2107', Date.UTC(2107, 0, 1), 'unavailable', /clock of this host says 2107-01-01/],
    ['no time at all', Number.NaN, 'unavailable', /clock of this host says NaN/],
  ];
  const request = makeRequest(folder).pem;
  for (const [label, at, code, message] of rows) {
    now = at;
    await t.rejects(authorities.issue(entitlement('node')), { code, message }, label);
    await t.rejects(authorities.signRequest(request, entitlement('node')), { code, message }, label);
  }
  now = Date.UTC(2030, 0, 1);
  await t.resolves(authorities.signRequest(request, entitlement('node')), 'the clock is set: it goes on');
});

t.test('serial numbers are random, positive and 16 bytes', async (t) => {
  const folder = makeFolder(t);
  const authorities = await open(folder);
  const { publicKey } = new X509Certificate(authorities.trustOf('etcd'));
  const serials = await Promise.all(
    Array.from({ length: 20 }, async () => (await authorities.sign(entitlement('node'), publicKey)).serial),
  );
  t.equal(new Set(serials).size, 20);
  for (const serial of serials) t.match(serial, /^[4-7][0-9a-f]{31}$/);
});

t.test('the longest hostname fits', async (t) => {
  const folder = makeFolder(t);
  const authorities = await open(folder);
  const hostname = `${'x'.repeat(63)}.${'y'.repeat(63)}`;
  const { certificatePem } = await authorities.signRequest(
    makeRequest(folder).pem,
    entitlement('node', { ...FACTS, hostname }),
  );
  writeFileSync(join(folder, 'leaf.crt'), certificatePem);
  writeFileSync(join(folder, 'ca.crt'), authorities.trustOf('kubernetes'));
  t.match(openssl('verify', '-CAfile', join(folder, 'ca.crt'), join(folder, 'leaf.crt')), /OK/);
  t.ok(new X509Certificate(certificatePem).checkHost(hostname));
});

t.test('there is a turn of the event loop between any two of a hundred certificates', async (t) => {
  const folder = makeFolder(t);
  // Real keys of real size: a stand-in would be the very thing that is measured.
  const authorities = await openAuthorities({ folder: join(folder, 'pki'), clock: Date.now, logger: silent });
  const all = everyEntitlement();
  let turns = 0;
  const count = (): void => {
    turns++;
    immediate = setImmediate(count);
  };
  let immediate = setImmediate(count);
  const issued = await Promise.all(
    Array.from({ length: 100 }, (_, at) => authorities.issue(all[at % all.length] as Entitlement)),
  );
  clearImmediate(immediate);
  // Packets are answered in each of them.
  t.ok(turns >= 100, `${turns} turns of the event loop for 100 certificates`);
  t.equal(new Set(issued.map(({ keyFingerprint }) => keyFingerprint)).size, 100, 'each has a key of its own');
  t.equal(authorities.describe()[0]?.key, 'EC P-256');
  const { publicKey } = new X509Certificate(issued[0]?.certificatePem ?? '');
  t.equal(publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
});
