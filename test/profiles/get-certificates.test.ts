import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Identity } from '../../src/machine/identity.ts';
import { formatIpv4 } from '../../src/machine/ipv4.ts';
import { CERTIFICATE_PROFILES } from '../../src/pki/certificate-profiles.ts';
import { entitledCertificates, findEntitlement } from '../../src/pki/entitled-certificates.ts';
import type { CertificateContext } from '../../src/render/context.ts';
import { CONTROLLER, FACTS, makeFolder, open } from '../pki/support/make-cluster.ts';
import {
  type Machine,
  makeMachine as machineIn,
  makeBusybox,
  runGetCertificates,
} from './support/run-get-certificates.ts';
import { DASH, type Shell } from './support/run-script.ts';
import { sampleIdentity } from './support/sample-identity.ts';
import { type Answer, makeAuthority, openssl, startSigningServer } from './support/signing-server.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'tinderbox-certificates-'));
t.teardown(() => rmSync(FOLDER, { recursive: true }));
const OURS = makeAuthority(FOLDER, 'kubernetes');
const ETCD = makeAuthority(FOLDER, 'etcd');
const FRONT = makeAuthority(FOLDER, 'front-proxy');
const AUTHORITIES = { kubernetes: OURS, etcd: ETCD, 'front-proxy': FRONT };

const NODE_KEY = '/etc/kubernetes/pki/kubelet.key';
const NODE_CERTIFICATE = '/etc/kubernetes/pki/kubelet.crt';

const makeMachine = () =>
  machineIn(FOLDER, {
    kubernetes: OURS.certificate,
    etcd: ETCD.certificate,
    'front-proxy': FRONT.certificate,
  });
const SHELLS = [DASH, makeBusybox(FOLDER)];
const run = (
  machine: Machine,
  url: string,
  { kind = 'worker', shell = DASH }: { readonly kind?: Identity; readonly shell?: Shell } = {},
) => runGetCertificates(machine, url, sampleIdentity({ kind }), shell);

const sign: Answer = ({ path, body }, response) => {
  const name = new URL(path, 'http://x').searchParams.get('name');
  const authority = CERTIFICATE_PROFILES.find((profile) => profile.name === name)?.authority ?? 'kubernetes';
  response
    .writeHead(200, { 'content-type': 'application/x-pem-file' })
    .end(AUTHORITIES[authority].sign(body));
};
const status =
  (code: number, text: string): Answer =>
  (_post, response) =>
    void response.writeHead(code, { 'content-type': 'text/plain' }).end(text);
const reset: Answer = (_post, response) => void response.socket?.destroy();
const cutOff: Answer = ({ body }, response) => {
  const pem = OURS.sign(body);
  response.writeHead(200, { 'content-length': pem.length });
  response.write(pem.slice(0, 300), () => void response.socket?.destroy());
};

function publicKeyOf(machine: Machine, request: string): string {
  const file = machine.path('/request.pem');
  writeFileSync(file, request);
  return openssl(`req -in ${file} -noout -pubkey`);
}
const reportOf = (posts: readonly { readonly path: string; readonly body: string }[]) =>
  posts.filter(({ path }) => path.endsWith('/report')).map(({ body }) => new URLSearchParams(body));
const mode = (machine: Machine, path: string) => (statSync(machine.path(path)).mode & 0o777).toString(8);
const leftovers = (machine: Machine) =>
  execFileSync('find', [machine.root, '-name', '*.new', '-o', '-path', machine.path('/tmp/*')], {
    encoding: 'utf8',
  });

for (const shell of SHELLS) {
  const { name } = shell;
  t.test(`${name}: a machine makes its key and gets a certificate, once`, async (t) => {
    const machine = makeMachine();
    const server = await startSigningServer([sign]);
    t.teardown(() => server.close());
    const first = await run(machine, server.url, { shell });
    t.equal(first.status, 0, first.output);
    t.strictSame(
      server.posts.map(({ path, contentType }) => [path, contentType]),
      [['/boot/abc/csr?name=node', 'application/pkcs10']],
    );
    const request = machine.path('/request.pem');
    writeFileSync(request, server.posts[0]?.body ?? '');
    const asked = openssl(`req -in ${request} -noout -text -verify -nameopt RFC2253`);
    t.match(asked, 'Subject: CN=system:node:node-123456,O=system:nodes\n');
    t.match(asked, 'DNS:node-123456, IP Address:10.77.0.21');
    t.match(asked, 'Public-Key: (2048 bit)');
    t.notMatch(server.posts[0]?.body, /PRIVATE/);

    t.match(
      openssl(
        `verify -CAfile ${machine.path('/etc/kubernetes/pki/ca.crt')} ${machine.path(NODE_CERTIFICATE)}`,
      ),
      'OK',
    );
    t.equal(
      openssl(`x509 -in ${machine.path(NODE_CERTIFICATE)} -noout -pubkey`),
      openssl(`pkey -in ${machine.path(NODE_KEY)} -pubout`),
    );
    t.strictSame([mode(machine, NODE_KEY), mode(machine, NODE_CERTIFICATE)], ['600', '644']);
    t.equal(leftovers(machine), '');

    const [key, certificate] = [machine.read(NODE_KEY), machine.read(NODE_CERTIFICATE)];
    const second = await run(machine, server.url, { shell });
    t.equal(second.status, 0, second.output);
    t.equal(server.posts.length, 1);
    t.strictSame([machine.read(NODE_KEY), machine.read(NODE_CERTIFICATE)], [key, certificate]);
  });

  t.test(
    `${name}: while the server is away it is asked again, later and later, with the same key`,
    async (t) => {
      const machine = makeMachine();
      const answers = [
        status(503, 'one moment'),
        reset,
        status(500, ''),
        cutOff,
        status(429, 'slowly'),
        sign,
      ];
      const server = await startSigningServer(answers);
      t.teardown(() => server.close());
      const { status: code, output, slept } = await run(machine, server.url, { shell });
      t.equal(code, 0, output);
      t.strictSame(slept, ['1', '2', '4', '8', '16']);
      t.match(output, 'no certificate node yet (status 503: one moment); trying again in 1 s');
      t.equal(new Set(server.posts.map(({ body }) => publicKeyOf(machine, body))).size, 1);
      t.strictSame(reportOf(server.posts), []);
      t.match(openssl(`x509 -in ${machine.path(NODE_CERTIFICATE)} -noout -subject`), 'node-123456');
    },
  );

  t.test(`${name}: what is refused or wrong ends it, is reported, and leaves no certificate`, async (t) => {
    const other = makeMachine();
    const stranger = await startSigningServer([sign]);
    t.teardown(() => stranger.close());
    await run(other, stranger.url, { shell });
    const table: readonly [string, Answer, string][] = [
      [
        'a refusal',
        status(403, `not for "this" machine: 'kube-apiserver' & more`),
        `the certificate node is refused (status 403): not for "this" machine: 'kube-apiserver' & more`,
      ],
      ['a session that is over', status(404, 'no such session'), '(status 404): no such session'],
      ['a redirection', status(302, 'elsewhere'), '(status 302)'],
      [
        "another machine's certificate",
        status(200, other.read(NODE_CERTIFICATE)),
        "no certificate of this machine's key",
      ],
      ['no certificate', status(200, '<html>'), "no certificate of this machine's key"],
      ['nothing', status(200, ''), "no certificate of this machine's key"],
      [
        'a certificate of another authority',
        ({ body }, response) => void response.end(ETCD.sign(body)),
        'is not from the authority in',
      ],
    ];
    for (const [what, answer, sentence] of table) {
      const machine = makeMachine();
      const server = await startSigningServer([answer]);
      const { status: code, output, slept } = await run(machine, server.url, { shell });
      await server.close();
      t.equal(code, 1, `${what}: ${output}`);
      t.strictSame(slept, [], what);
      const [report, ...more] = reportOf(server.posts);
      t.strictSame([report?.get('stage'), more.length], ['failed', 0], what);
      t.ok(report?.get('log')?.includes(sentence), `${what}: ${report?.get('log')}`);
      t.notOk(existsSync(machine.path(NODE_CERTIFICATE)), what);
      t.equal(leftovers(machine), '', what);
    }
  });
}

t.test('what was cut off or does not belong together is made anew, and what is whole is kept', async (t) => {
  const server = await startSigningServer([sign]);
  t.teardown(() => server.close());
  const whole = makeMachine();
  t.equal((await run(whole, server.url)).status, 0);
  const [key, certificate] = [whole.read(NODE_KEY), whole.read(NODE_CERTIFICATE)];
  const table: readonly [string, Record<string, string>, boolean][] = [
    ['half a key', { [NODE_KEY]: key.slice(0, 700) }, false],
    ['an empty key', { [NODE_KEY]: '', [NODE_CERTIFICATE]: certificate }, false],
    ['a key without a certificate', { [NODE_KEY]: key }, true],
    ['half a certificate', { [NODE_KEY]: key, [NODE_CERTIFICATE]: certificate.slice(0, 300) }, true],
    ["another key's certificate", { [NODE_KEY]: key, [NODE_CERTIFICATE]: OURS.certificate }, true],
    [
      'files of a run that was interrupted',
      { [`${NODE_KEY}.new`]: 'x', [`${NODE_CERTIFICATE}.new`]: 'x' },
      false,
    ],
  ];
  for (const [what, files, keepsKey] of table) {
    const machine = makeMachine();
    for (const [file, text] of Object.entries(files)) writeFileSync(machine.path(file), text);
    const { status: code, output } = await run(machine, server.url);
    t.equal(code, 0, `${what}: ${output}`);
    t.equal(machine.read(NODE_KEY) === key, keepsKey, what);
    t.equal(
      openssl(`x509 -in ${machine.path(NODE_CERTIFICATE)} -noout -pubkey`),
      openssl(`pkey -in ${machine.path(NODE_KEY)} -pubout`),
      what,
    );
    t.equal(mode(machine, NODE_KEY), '600', what);
  }
});

t.test(
  'a certificate that is out of date is asked for again; one of tomorrow waits for the clock',
  async (t) => {
    const dates =
      (from: string, until: string): Answer =>
      (post, response) =>
        void response.end(OURS.sign(post.body, { from, until }));
    const server = await startSigningServer([dates('20010101000000Z', '20010102000000Z')]);
    t.teardown(() => server.close());
    const machine = makeMachine();
    const { status: code, output, slept } = await run(machine, server.url);
    t.strictSame([code, slept], [9, ['1', '2', '4', '8', '16', '30']], output);
    t.match(output, /the certificate node is not valid at .*, if this machine's clock is right/);
    t.notOk(existsSync(machine.path(NODE_CERTIFICATE)));
    t.equal(server.posts.length, 1, 'the same certificate is looked at again');

    writeFileSync(
      machine.path(NODE_CERTIFICATE),
      OURS.sign(server.posts[0]?.body ?? '', { from: '20010101000000Z', until: '20010102000000Z' }),
    );
    const later = await startSigningServer([sign]);
    t.teardown(() => later.close());
    t.equal((await run(machine, later.url)).status, 0);
    t.equal(later.posts.length, 1);
  },
);

t.test('a controller has each certificate from its own authority', async (t) => {
  const machine = makeMachine();
  const server = await startSigningServer([sign]);
  t.teardown(() => server.close());
  const { status: code, output } = await run(machine, server.url, { kind: 'controller' });
  t.equal(code, 0, output);
  const expected = CERTIFICATE_PROFILES.filter(
    ({ name, entitled }) => entitled.includes('controller') && name !== 'kube-proxy',
  );
  t.strictSame(
    server.posts.map(({ path }) => path),
    expected.map(({ name }) => `/boot/abc/csr?name=${name}`),
  );
  for (const { name, authority, files } of expected) {
    const issuer = openssl(`x509 -in ${machine.path(files.current.certificate)} -noout -issuer`);
    t.match(issuer, authority, name);
  }
  const wrong = await startSigningServer([({ body }, response) => void response.end(OURS.sign(body))]);
  t.teardown(() => wrong.close());
  const etcd = makeMachine();
  t.equal((await run(etcd, wrong.url, { kind: 'etcd' })).status, 1);
  t.match(reportOf(wrong.posts)[0]?.get('log'), /etcd-server is not from the authority in .*\/etcd\/ca\.crt/);
});

t.test('an authority in the middle of a chain is trusted as Kubernetes trusts it', async (t) => {
  const machine = makeMachine();
  const place = join(machine.root, 'middle');
  mkdirSync(place);
  const file = (name: string) => join(place, name);
  openssl(`req -newkey rsa:2048 -noenc -subj /CN=middle -keyout ${file('ca.key')} -out ${file('ca.csr')}`);
  writeFileSync(file('extensions'), 'basicConstraints = critical, CA:TRUE\n');
  const root = join(FOLDER, 'kubernetes');
  openssl(
    `x509 -req -in ${file('ca.csr')} -days 30 -extfile ${file('extensions')} -out ${file('ca.crt')} -CA ${join(root, 'ca.crt')} -CAkey ${join(root, 'ca.key')}`,
  );
  // The root is not given to machines.
  writeFileSync(machine.path('/etc/kubernetes/pki/ca.crt'), readFileSync(file('ca.crt')));
  const signInTheMiddle: Answer = ({ body }, response) => {
    writeFileSync(file('request.pem'), body);
    const signed = openssl(
      `x509 -req -in ${file('request.pem')} -days 1 -copy_extensions copy -CA ${file('ca.crt')} -CAkey ${file('ca.key')}`,
    );
    response.end(signed + readFileSync(file('ca.crt'), 'utf8'));
  };
  const server = await startSigningServer([signInTheMiddle]);
  t.teardown(() => server.close());
  const { status: code, output } = await run(machine, server.url);
  t.equal(code, 0, output);
  t.equal(machine.read(NODE_CERTIFICATE).match(/BEGIN CERTIFICATE/g)?.length, 2);
});

t.test(
  'what a machine asks for is exactly what Tinderbox certifies, for every certificate there is',
  async (t) => {
    const authorities = await open(makeFolder(t));
    for (const facts of [FACTS, CONTROLLER, { ...FACTS, identity: 'etcd' as const }]) {
      const entitlements = entitledCertificates(facts);
      const sample = sampleIdentity({ kind: facts.identity, hostname: facts.hostname });
      const identity = {
        ...sample,
        certificates: entitlements.map(({ name, subject, names }) => ({
          ...(sample.certificates.find((one) => one.name === name) as CertificateContext),
          ...subject,
          dns: names.dns,
          addresses: names.addresses.map(formatIpv4),
        })),
      };
      const machine = machineIn(FOLDER, {
        kubernetes: authorities.trustOf('kubernetes'),
        etcd: authorities.trustOf('etcd'),
        'front-proxy': authorities.trustOf('front-proxy'),
      });
      const answer: Answer = ({ path, body }, response) => {
        const name = new URL(path, 'http://x').searchParams.get('name') ?? '';
        authorities.signRequest(body, findEntitlement(entitlements, name)).then(
          ({ certificatePem }) => response.end(certificatePem),
          (error: Error) => response.writeHead(403).end(error.message),
        );
      };
      const server = await startSigningServer([answer]);
      const { status: code, output } = await runGetCertificates(machine, server.url, identity);
      await server.close();
      t.equal(code, 0, `${facts.identity}: ${output}`);
      t.equal(
        output.match(/is certified/g)?.length,
        entitlements.length - (facts.identity === 'etcd' ? 0 : 1),
      );
    }
  },
);
