import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { addAddress, addBridge, addVethPair, createNamespace, joinBridge } from '../../src/lab/namespace.ts';
import { makeRequest, openssl } from '../pki/support/make-cluster.ts';
import { askScript, curl } from './support/curl.ts';
import { CONFIG, createSite, ROLE } from './support/daemon-site.ts';

const MAC = '52:54:00:12:34:56';
const TEMPLATE = `#cloud-config
write_files:
  - { path: /ca.crt, content: {{json identity.authorities.0.certificate}} }
{{#each identity.certificates as |one|}}
  - { path: /{{one.name}}, content: {{quote one.url}} }
{{/each}}
`;

interface CloudConfig {
  readonly write_files: readonly { path: string; content: string }[];
}

const hasXorriso = spawnSync('xorriso', ['-version']).status === 0;
const skip = hasXorriso ? false : 'xorriso is not installed';

t.test(
  'a machine that boots from its image has its own key certified, and then nobody else has',
  { skip },
  async (t) => {
    await using namespace = await createNamespace('iso');
    await using machine = await createNamespace('isomachine');
    await addBridge(namespace, 'br0', '10.77.0.1/24');
    await addVethPair({ namespace, name: 'port0' }, { namespace: machine, name: 'eth0' });
    await joinBridge(namespace, 'port0', 'br0');
    await addAddress(machine, 'eth0', '10.77.0.20/24');
    await using site = await createSite(namespace);
    await site.write({
      'tinderbox.yaml': `${CONFIG}cluster: { name: lab, apiServer: 'https://k8s.example.org:6443' }\n`,
      'profiles/worker/role.yaml': `${ROLE}identity: worker\n`,
      'profiles/worker/cloud-config.yaml.hbs': TEMPLATE,
      'profiles/machines.yaml': `machines: { "${MAC}": { role: worker, hostname: node-1, address: 10.77.0.20 } }\ndefault: none\n`,
    });
    const daemon = await site.serve();

    const iso = join(site.folder, 'node-1.iso');
    const made = await site.run('iso', MAC, '--out', iso);
    t.match(made, { code: 0, stderr: '', stdout: /holds a signing token/ });
    const unpacked = join(site.folder, 'unpacked');
    execFileSync('xorriso', ['-osirrox', 'on', '-indev', iso, '-extract', '/', unpacked], { stdio: 'pipe' });
    const { write_files: files } = parse(
      readFileSync(join(unpacked, 'openstack/latest/user_data'), 'utf8'),
    ) as CloudConfig;
    const contentOf = (path: string): string => files.find((file) => file.path === path)?.content ?? '';
    const url = contentOf('/node');
    t.match(url, /^http:\/\/10\.77\.0\.1\/boot\/.*\/csr\?name=node$/);

    const stranger = await askScript(machine, MAC);
    t.not(stranger.session, url.replace(/\/csr.*/, ''), 'who asks in its name is not told');
    t.equal((await curl(machine, `${stranger.session}/cloud-config`)).status, 200);
    t.not((await askScript(machine, MAC)).session, stranger.session, 'a boot that is over');
    const ask = (pem: string) =>
      curl(machine, url, '--data-binary', pem, '--header', 'content-type: application/pkcs10');
    const { pem } = makeRequest(site.folder, { subject: '/O=system:nodes/CN=system:node:node-1' });
    const answer = await ask(pem);
    t.equal(answer.status, 200, answer.body);
    writeFileSync(join(site.folder, 'node.crt'), answer.body);
    writeFileSync(join(site.folder, 'ca.crt'), contentOf('/ca.crt'));
    t.match(openssl('verify', '-CAfile', join(site.folder, 'ca.crt'), join(site.folder, 'node.crt')), 'OK');
    t.match(
      openssl('x509', '-in', join(site.folder, 'node.crt'), '-noout', '-subject'),
      /CN = system:node:node-1/,
    );
    const other = makeRequest(site.folder, { subject: '/O=system:nodes/CN=system:node:node-1' });
    t.not((await ask(other.pem)).status, 200, 'another key');
    const config = await curl(machine, url.replace(/csr.*/, 'cloud-config'));
    t.match(config, { status: 403, body: /signing requests only/ });
    const timeline = await site.run('machines', MAC);
    t.match(
      timeline.stdout,
      /Session 3, [^]*Signing token \(session 1\)[^]*the certificate node: O=system:nodes/,
    );
    t.match(
      timeline.stdout,
      /ALARM: a certificate node was asked for with a second key[^]*it was given to 10\.77\.0\.20/,
    );
    t.notMatch(daemon.log(), url.split('/')[4] ?? 'no token', 'the token is in no log');
  },
);
