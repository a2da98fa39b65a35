import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import type { AuthorityName } from '../../src/machine/identity.ts';
import { AUTHORITY_FILES, CERTIFICATE_PROFILES, profileOf } from '../../src/pki/certificate-profiles.ts';
import { fileOf, filesOf } from './support/cloud-config.ts';
import { BOTH } from './support/render-coreos.ts';
import { type Answer, makeAuthority, openssl, startSigningServer } from './support/signing-server.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'tinderbox-coreos-csr-'));
t.teardown(() => rmSync(FOLDER, { recursive: true }));
const authorityOf = (name: AuthorityName) => makeAuthority(FOLDER, name);
const AUTHORITIES = {
  kubernetes: authorityOf('kubernetes'),
  etcd: authorityOf('etcd'),
  'front-proxy': authorityOf('front-proxy'),
};
const profileAsked = (path: string) => {
  const name = new URL(path, 'http://x').searchParams.get('name');
  const profile = CERTIFICATE_PROFILES.find((one) => one.name === name);
  if (profile === undefined) throw new Error(`${path} asks for nothing that there is`);
  return profile;
};
const sign: Answer = ({ path, body }, response) =>
  void response.writeHead(200).end(AUTHORITIES[profileAsked(path).authority].sign(body));

for (const [role, render] of BOTH) {
  t.test(
    `${role}: with csr every certificate comes to its CoreOS place, from its authority, and its key stays`,
    async (t) => {
      const root = join(FOLDER, role);
      const at = (path: string) => join(root, path);
      const config = render({ delivery: 'csr' });
      for (const [name, { certificate }] of Object.entries(AUTHORITIES)) {
        const path = AUTHORITY_FILES.coreos[name as AuthorityName];
        if (!filesOf(config).has(path)) continue;
        mkdirSync(dirname(at(path)), { recursive: true });
        writeFileSync(at(path), certificate);
      }
      const server = await startSigningServer([sign]);
      t.teardown(() => server.close());
      const script = at('/get-certificates');
      const text = fileOf(config, '/opt/tinderbox/get-certificates');
      writeFileSync(
        script,
        text
          .replaceAll('/etc/kubernetes/', `${at('/etc/kubernetes')}/`)
          .replaceAll('http://10.77.0.1', server.url),
      );
      await promisify(execFile)('sh', [script]);

      const asked = server.posts.map(({ path }) => profileAsked(path).name);
      const wanted = role === 'coreos-worker' ? 'worker' : 'controller';
      const entitled = CERTIFICATE_PROFILES.filter((profile) => profile.entitled.includes(wanted));
      t.strictSame(
        asked,
        entitled.map(({ name }) => name),
      );
      for (const name of asked) {
        const { files, authority } = profileOf(name);
        const { certificate, key } = files.coreos;
        t.match(
          openssl(`verify -CAfile ${at(AUTHORITY_FILES.coreos[authority])} ${at(certificate)}`),
          'OK',
          name,
        );
        t.equal(
          openssl(`x509 -in ${at(certificate)} -noout -pubkey`),
          openssl(`pkey -in ${at(key)} -pubout`),
          name,
        );
        t.equal(statSync(at(key)).mode & 0o777, 0o600, name);
      }
      t.notMatch(server.posts.map(({ body }) => body).join(''), 'PRIVATE');
      t.match(
        openssl(`x509 -in ${at('/etc/kubernetes/ssl/worker.pem')} -noout -subject`),
        /system:node:10\.77\.0\.\d+/,
      );
      // A kubelet that starts again asks for nothing.
      const before = readFileSync(at('/etc/kubernetes/ssl/worker.pem'), 'utf8');
      await promisify(execFile)('sh', [script]);
      t.equal(server.posts.length, asked.length);
      t.equal(readFileSync(at('/etc/kubernetes/ssl/worker.pem'), 'utf8'), before);
    },
  );
}
