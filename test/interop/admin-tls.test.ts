import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { openAdminTls } from '../../src/admin-tls.ts';
import type { Config } from '../../src/config/port.ts';
import { parseIpv4 } from '../../src/machine/ipv4.ts';
import { openAdminAuthority } from '../../src/pki/admin-authority.ts';
import { showAdminAuthority } from '../../src/show-admin-authority.ts';
import { startAdmin } from '../support/start-admin.ts';

const run = promisify(execFile);

/** What a program said, and how it ended; it is given nothing to read. */
async function say(
  program: string,
  args: readonly string[],
): Promise<{ readonly code: number; readonly text: string }> {
  const running = run(program, [...args], { timeout: 60_000 });
  running.child.stdin?.end();
  return running.then(
    ({ stdout, stderr }) => ({ code: 0, text: stdout + stderr }),
    (error: { code?: number; stdout?: string; stderr?: string }) => ({
      code: error.code ?? -1,
      text: `${error.stdout}${error.stderr}`,
    }),
  );
}

async function withTls(t: Test) {
  const state = await mkdtemp(join(tmpdir(), 'tb-tls-'));
  t.teardown(() => rm(state, { recursive: true }));
  const listen = { host: '127.0.0.1', port: 0 };
  const config = {
    file: 'tinderbox.yaml',
    paths: { state },
    admin: { listen, tls: { kind: 'own' }, names: ['boot.example.net'] },
  } as unknown as Config;
  const address = parseIpv4('10.99.0.1');
  const options = { config, addresses: () => (address === undefined ? [] : [address]), clock: Date.now };
  const tls = await openAdminTls(options);
  if (tls === undefined) throw new Error('there is no TLS');
  const admin = await startAdmin(t, { listen, tls });
  const file = join(state, 'shown.pem');
  const authority = await showAdminAuthority(config);
  await writeFile(file, authority.pem);
  return { admin, tls, config, options, file, authority, port: admin.server.address?.port ?? 0 };
}

t.test('curl trusts what the command shows, and nothing else', async (t) => {
  const { admin, file, port } = await withTls(t);
  const authorization = `Authorization: Bearer ${admin.token.show()}`;
  const ask = (...args: readonly string[]) =>
    say('curl', ['-sS', '--max-time', '30', '-H', authorization, '-w', '%{http_code}', ...args]);
  const resolve = ['--resolve', `boot.example.net:${port}:127.0.0.1`];
  const urls = [`https://127.0.0.1:${port}`, `https://localhost:${port}`, `https://boot.example.net:${port}`];
  for (const url of urls) {
    const { code, text } = await ask('--cacert', file, ...resolve, `${url}/api/v1/status`);
    t.equal(code, 0, url);
    t.match(text, /"version":"0.1.0".*200$/s);
  }
  const { code } = await ask(`https://127.0.0.1:${port}/healthz`);
  t.equal(code, 60, 'an authority that it does not know');
  const other = ['--resolve', `evil.example:${port}:127.0.0.1`];
  t.equal((await ask('--cacert', file, ...other, `https://evil.example:${port}/healthz`)).code, 60);
  const plain = await ask(`http://127.0.0.1:${port}/api/v1/status`);
  t.not(plain.code, 0, 'nothing is said in the clear');
  t.notMatch(plain.text, 'version');
  const headers = await say('curl', [
    '-sSI',
    '-X',
    'GET',
    '--cacert',
    file,
    `https://localhost:${port}/login`,
  ]);
  t.match(headers.text, /strict-transport-security: max-age=86400/);
  const login = [
    '-i',
    '--cacert',
    file,
    '-d',
    `token=${admin.token.show()}`,
    `https://localhost:${port}/login`,
  ];
  t.match(
    (await say('curl', ['-sS', ...login])).text,
    /set-cookie: __Host-tinderbox=[\w-]+; .*HttpOnly; Secure; SameSite=Strict/,
  );
});

t.test('openssl verifies the chain and the name, and gets no TLS before 1.2', async (t) => {
  const { file, port } = await withTls(t);
  const connect = (...args: readonly string[]) =>
    say('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', file, ...args]);
  for (const version of ['-tls1_2', '-tls1_3']) {
    const { text } = await connect(version, '-verify_return_error', '-verify_ip', '127.0.0.1');
    t.match(text, 'Verify return code: 0 (ok)', version);
  }
  // Without the level its own policy would refuse the old ones before the server is asked.
  for (const version of ['-tls1', '-tls1_1']) {
    const { code, text } = await connect(version, '-cipher', 'DEFAULT@SECLEVEL=0');
    t.not(code, 0, version);
    t.match(text, /alert protocol version|unsupported protocol|no protocols available/);
  }
  const shown = await say('openssl', ['x509', '-in', file, '-noout', '-text']);
  t.match(shown.text, /CA:TRUE, pathlen:0/);
});

t.test(
  'a certificate is renewed before it ends, and where an address is new; the authority stays',
  async (t) => {
    const { config, options, authority } = await withTls(t);
    let now = Date.now();
    const addresses = [...options.addresses()];
    const everywhere = { ...config, admin: { ...config.admin, listen: { host: '0.0.0.0', port: 0 } } };
    const tls = await openAdminTls({ config: everywhere, addresses: () => addresses, clock: () => now });
    const pair = async () => new X509Certificate((await tls?.pair())?.certificate ?? '');
    const first = await pair();
    t.match(first.subjectAltName, 'IP Address:10.99.0.1');
    t.equal((await pair()).serialNumber, first.serialNumber);
    const other = parseIpv4('10.99.0.2');
    if (other !== undefined) addresses.push(other);
    const second = await pair();
    t.match(second.subjectAltName, 'IP Address:10.99.0.2');
    addresses.pop();
    t.equal((await pair()).serialNumber, second.serialNumber, 'an address that went needs no other one');
    now += 61 * 86_400_000;
    const third = await pair();
    t.not(third.serialNumber, second.serialNumber);
    t.ok(third.validToDate.getTime() - now > 89 * 86_400_000);
    t.ok(third.verify(new X509Certificate(authority.pem).publicKey));
    t.equal((await showAdminAuthority(config)).fingerprint, authority.fingerprint);
  },
);

t.test("the operator's own certificate is read, and refused by name where it is none", async (t) => {
  const { config, options } = await withTls(t);
  const folder = config.paths.state;
  const authority = await openAdminAuthority({ folder: join(folder, 'own'), name: 'own', clock: Date.now });
  const names = { dns: ['boot.example.net'], addresses: [] };
  const [one, two] = [
    await authority.issue({ names, lifetime: 1e9 }),
    await authority.issue({ names, lifetime: 1e9 }),
  ];
  const [certificate, key] = [join(folder, 'own.pem'), join(folder, 'own.key')];
  await writeFile(certificate, one.certificatePem);
  const tls = await openAdminTls({
    ...options,
    config: { ...config, admin: { ...config.admin, tls: { kind: 'files', certificate, key } } },
  });
  await t.rejects(async () => void (await tls?.pair()), {
    code: 'invalid-config',
    message: /own.key cannot be read/,
  });
  await writeFile(key, two.keyPem);
  await t.rejects(async () => void (await tls?.pair()), {
    code: 'invalid-config',
    message: /not the key of/,
  });
  await writeFile(key, 'nothing');
  await t.rejects(async () => void (await tls?.pair()), { code: 'invalid-config', remedy: /PEM/ });
  await writeFile(key, one.keyPem);
  t.same(await tls?.pair(), { certificate: one.certificatePem, key: one.keyPem });
});
