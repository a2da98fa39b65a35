import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { findExcess, refuseExcess } from '../../src/pki/check-request.ts';
import {
  bits,
  type Der,
  decodeDer,
  encodeDer,
  integer,
  nothing,
  octets,
  oid,
  partsOf,
  sequence,
  set,
  wrapped,
} from '../../src/pki/der.ts';
import { encodedKey } from '../../src/pki/encode-extensions.ts';
import { EXTENSION_REQUEST_OID } from '../../src/pki/object-identifiers.ts';
import { writePem } from '../../src/pki/pem.ts';
import { MAX_REQUEST_BYTES, readRequest } from '../../src/pki/read-request.ts';
import { entitlement, makeFolder, makeRequest } from './support/make-cluster.ts';

const bytesOf = (pem: string): Buffer => Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64');
const asPem = (der: Uint8Array): string => writePem('CERTIFICATE REQUEST', der);

t.test('a request is read as OpenSSL wrote it', async (t) => {
  const folder = makeFolder(t);
  const { pem } = makeRequest(folder, {
    subject: '/O=system:nodes/CN=system:node:node-1',
    names: 'DNS:Node-1,IP:10.77.0.20,IP:fd00::1,email:a@b.c,URI:https://x/',
    extensions: ['keyUsage=digitalSignature', 'extendedKeyUsage=clientAuth'],
  });
  const request = await readRequest(pem);
  t.same(
    request.subject.map(({ text }) => text),
    ['system:nodes', 'system:node:node-1'],
  );
  t.same(request.dns, ['node-1']);
  t.same(request.addresses, [0x0a4d0014]);
  t.same(request.otherNames, [
    'IPv6 fd00:0000:0000:0000:0000:0000:0000:0001',
    'email:a@b.c',
    'URI:https://x/',
  ]);
  t.equal(request.extensions.length, 2);
  t.equal(request.publicKey.asymmetricKeyType, 'ec');
  t.ok(
    await readRequest(`Certificate Request:\n    Data:\n${pem}`),
    'what `openssl req -text` prints before it',
  );
  t.ok(await readRequest(pem.replaceAll('\n', '\r\n')), "Windows' line ends");
  t.ok(await readRequest(pem.replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST')));
});

t.test('what is no request is refused as such', async (t) => {
  const folder = makeFolder(t);
  const { pem, key } = makeRequest(folder);
  const der = bytesOf(pem);
  const nested = (depth: number): Der => (depth === 0 ? sequence() : sequence(nested(depth - 1)));
  const rows: [string, string, RegExp][] = [
    ['nothing', '', /not one block/],
    ['text', 'hello', /not one block/],
    ['two requests', pem + pem, /not one block/],
    ['a certificate', pem.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'), /not one block/],
    ['cut off', pem.slice(0, 200), /cut off/],
    ['not base64', pem.replace(/\nMI/, '\nM!'), /not base64/],
    ['empty', '-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n', /not base64/],
    ['bytes too few', asPem(der.subarray(0, -3)), /no PKCS #10/],
    ['bytes too many', asPem(Buffer.concat([der, Buffer.alloc(3)])), /no PKCS #10/],
    ['one number', asPem(encodeDer(integer(Uint8Array.of(1)))), /no PKCS #10/],
    ['an empty sequence', asPem(encodeDer(sequence())), /no PKCS #10/],
    ['a bottomless sequence', asPem(encodeDer(nested(200))), /no PKCS #10/],
    ['too large', `${pem}${'\n'.repeat(MAX_REQUEST_BYTES)}`, /more than 16384 bytes/],
  ];
  for (const [label, text, message] of rows) {
    await t.rejects(readRequest(text), { code: 'malformed-packet', message }, label);
  }
  await t.rejects(
    readRequest(pem + readFileSync(key, 'utf8')),
    { code: 'refused', message: /private key, which must not leave/ },
    'with its private key',
  );
});

t.test('no change of a byte gets through, and none does harm', async (t) => {
  const der = bytesOf(makeRequest(makeFolder(t), { names: 'DNS:node-1,IP:10.77.0.20' }).pem);
  const codes = new Map<string, number>();
  for (let at = 0; at < der.length; at += 1) {
    const tampered = Buffer.from(der);
    tampered[at] = (tampered[at] ?? 0) ^ (at % 2 === 0 ? 0x01 : 0x80);
    const code = await readRequest(asPem(tampered)).then(
      () => 'accepted',
      (error: NodeJS.ErrnoException) => error.code ?? error.message,
    );
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  t.same([...codes.keys()].sort(), ['malformed-packet', 'refused']);
  t.ok((codes.get('refused') ?? 0) > der.length / 4, 'many are well-formed, and only the signature tells');
});

t.test("a request for somebody else's key is refused: its sender cannot sign with it", async (t) => {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const der = bytesOf(makeRequest(makeFolder(t)).pem);
  const [info, algorithm] = partsOf(decodeDer(der), 'a request');
  if (info === undefined || algorithm === undefined) throw new Error('no request');
  const signed = (part: Der) => bits(sign('sha256', encodeDer(part), own.privateKey));
  await t.rejects(readRequest(asPem(encodeDer(sequence(info, algorithm, signed(info))))), {
    code: 'refused',
    message: /signature was not made with its key/,
  });
  const [version, subject, , attributes] = partsOf(info, 'a request') as [Der, Der, Der, Der];
  const mine = sequence(version, subject, encodedKey(own.publicKey), attributes);
  t.ok(
    await readRequest(asPem(encodeDer(sequence(mine, algorithm, signed(mine))))),
    'with its own key it is fine',
  );
});

t.test('keys and signatures that are too weak are refused, and say why', async (t) => {
  const folder = makeFolder(t);
  const rows: [string, readonly string[], readonly string[], RegExp][] = [
    ['RSA 1024', ['-newkey', 'rsa:1024'], [], /1024 bits, and 2048 is the least/],
    ['exponent 3', ['-newkey', 'rsa:2048', '-pkeyopt', 'rsa_keygen_pubexp:3'], [], /exponent 3/],
    ['SHA-1', ['-newkey', 'rsa:2048'], ['-sha1'], /signed with 1\.2\.840\.113549\.1\.1\.5/],
    [
      'PSS',
      ['-newkey', 'rsa:2048', '-sigopt', 'rsa_padding_mode:pss'],
      [],
      /signed with 1\.2\.840\.113549\.1\.1\.10/,
    ],
    ['secp256k1', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'], [], /curve secp256k1/],
    [
      'a curve of its own',
      ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-pkeyopt', 'ec_param_enc:explicit'],
      [],
      /spells out its curve/,
    ],
    ['Ed25519', ['-newkey', 'ed25519'], [], /kind ed25519/],
    [
      'EC with SHA-1',
      ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      ['-sha1'],
      /signed with 1\.2\.840\.10045/,
    ],
  ];
  for (const [label, key, more, message] of rows) {
    const { pem } = makeRequest(folder, { key, more });
    await t.rejects(readRequest(pem), { message }, label);
  }
});

t.test('a huge key is refused before its signature is worked out', async (t) => {
  // 16384 bits cannot be made in a test's time; nobody needs its private half to ask.
  const modulus = Buffer.alloc(1025, 0xff);
  modulus[0] = 0;
  const key = sequence(
    sequence(oid('1.2.840.113549.1.1.1'), nothing()),
    bits(
      encodeDer(
        sequence(integer(Buffer.concat([modulus, Buffer.alloc(500, 1)])), integer(Uint8Array.of(1, 0, 1))),
      ),
    ),
  );
  const info = sequence(integer(Uint8Array.of(0)), sequence(), key);
  const algorithm = sequence(oid('1.2.840.113549.1.1.11'), nothing());
  await t.rejects(readRequest(asPem(encodeDer(sequence(info, algorithm, bits(Buffer.alloc(1500)))))), {
    code: 'refused',
    message: /has 12192 bits, and 8192 is the most/,
  });
});

t.test('whoever asks for more than the machine may have is refused, and told the difference', async (t) => {
  const folder = makeFolder(t);
  const node = entitlement('node');
  const SUBJECT = '/O=system:nodes/CN=system:node:node-1';
  const rows: [string, Parameters<typeof makeRequest>[1], readonly string[]][] = [
    ['another node', { subject: '/O=system:nodes/CN=system:node:node-2' }, ['subject CN=system:node:node-2']],
    [
      'an administrator',
      { subject: '/O=system:masters/CN=system:node:node-1' },
      ['subject O=system:masters'],
    ],
    [
      'one group more',
      { subject: '/O=system:nodes/O=system:masters/CN=system:node:node-1' },
      ['subject O=system:masters'],
    ],
    ['another attribute', { subject: '/OU=x/CN=system:node:node-1' }, ['subject OU=x']],
    [
      'two in one set',
      { subject: '/O=system:nodes+O=system:masters', more: ['-multivalue-rdn'] },
      ['subject O=system:masters'],
    ],
    ['another name', { subject: SUBJECT, names: 'DNS:node-1,DNS:kubernetes' }, ['the name kubernetes']],
    ['any name', { subject: SUBJECT, names: 'DNS:*' }, ['the name *']],
    ['another address', { subject: SUBJECT, names: 'IP:10.77.0.10' }, ['the address 10.77.0.10']],
    ['an IPv6 address', { names: 'IP:::1' }, ['the name IPv6 0000:0000:0000:0000:0000:0000:0000:0001']],
    ['an email address', { names: 'email:a@b.c' }, ['the name email:a@b.c']],
    ['a URI', { names: 'URI:spiffe://x/y' }, ['the name URI:spiffe://x/y']],
    ['a registered name', { names: 'RID:1.2.3' }, ['the name a name of another kind']],
    ['to be an authority', { extensions: ['basicConstraints=CA:TRUE'] }, ['to be an authority (CA:TRUE)']],
    ['to sign', { extensions: ['keyUsage=keyCertSign'] }, ['the key usage keyCertSign']],
    ['to sign code', { extensions: ['extendedKeyUsage=codeSigning'] }, ['the usage 1.3.6.1.5.5.7.3.3']],
    ['anything', { extensions: ['extendedKeyUsage=anyExtendedKeyUsage'] }, ['the usage any']],
    ['something unknown', { extensions: ['1.2.3.4=ASN1:NULL'] }, ['the extension 1.2.3.4']],
    [
      'many things',
      { subject: '/CN=x', names: 'DNS:y', extensions: ['basicConstraints=CA:TRUE'] },
      ['subject CN=x', 'the name y', 'to be an authority (CA:TRUE)'],
    ],
  ];
  for (const [label, options, excess] of rows) {
    const request = await readRequest(makeRequest(folder, options).pem);
    t.same(findExcess(request, node), excess, label);
    t.throws(() => refuseExcess(request, node), { code: 'refused', message: excess.join(', ') }, label);
  }
  const kubeProxy = await readRequest(
    makeRequest(folder, { extensions: ['extendedKeyUsage=serverAuth'] }).pem,
  );
  t.same(findExcess(kubeProxy, entitlement('kube-proxy')), ['the usage server']);
});

t.test('whoever asks for as much or for less is not', async (t) => {
  const folder = makeFolder(t);
  const rows: [string, Parameters<typeof makeRequest>[1]][] = [
    ['nothing', {}],
    ['all', { subject: '/O=system:nodes/CN=system:node:node-1', names: 'DNS:node-1,IP:10.77.0.20' }],
    ['the other order', { subject: '/CN=system:node:node-1/O=system:nodes' }],
    ['capitals', { names: 'DNS:NODE-1' }],
    ['only an address', { names: 'IP:10.77.0.20' }],
    [
      'what openssl asks for by itself',
      {
        extensions: [
          'basicConstraints=CA:FALSE',
          'keyUsage=nonRepudiation,digitalSignature,keyEncipherment',
          'extendedKeyUsage=clientAuth,serverAuth',
          'subjectKeyIdentifier=hash',
        ],
      },
    ],
  ];
  for (const [label, options] of rows) {
    t.same(findExcess(await readRequest(makeRequest(folder, options).pem), entitlement('node')), [], label);
  }
});

t.test('a refusal is one line of a bounded length, whatever a stranger wrote', async (t) => {
  const names = Array.from({ length: 40 }, (_, at) => `DNS:${'x'.repeat(60)}${at}`).join(',');
  const { pem } = makeRequest(makeFolder(t), { subject: '/CN=a\u001b[31mb', names, more: ['-utf8'] });
  const request = await readRequest(pem);
  t.throws(() => refuseExcess(request, entitlement('node')), { message: /^[\x20-\x7e]{1,800}$/ });
  t.throws(() => refuseExcess(request, entitlement('node')), { message: /CN=a\?\[31mb.* and 36 more$/ });
});

const list = (...extensions: readonly Der[]): Der =>
  sequence(oid(EXTENSION_REQUEST_OID), set(sequence(...extensions)));

t.test('extensions that are there twice are refused', async (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const names = sequence(oid('2.5.29.17'), octets(encodeDer(sequence())));
  const make = (attributes: Der): string => {
    const info = sequence(
      integer(Uint8Array.of(0)),
      sequence(),
      encodedKey(createPublicKey(privateKey)),
      attributes,
    );
    const signature = bits(sign('sha256', encodeDer(info), privateKey));
    return asPem(encodeDer(sequence(info, sequence(oid('1.2.840.10045.4.3.2')), signature)));
  };
  t.ok(await readRequest(make(wrapped(0, list(names)))), 'once is fine');
  await t.rejects(readRequest(make(wrapped(0, list(names, names)))), { message: /extension is there twice/ });
  await t.rejects(readRequest(make(wrapped(0, list(names), list(names)))), { message: /extensions twice/ });
});
