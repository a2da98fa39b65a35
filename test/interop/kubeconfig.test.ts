import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import t from 'tap';
import { runCli } from '../../src/cli/program.ts';
import { entitledCertificates } from '../../src/pki/entitled-certificates.ts';
import { makeFolder, open } from '../pki/support/make-cluster.ts';
import { ip } from '../support/make-environment.ts';

const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0;
const skip = hasKubectl ? false : 'kubectl is not installed';

interface Seen {
  readonly CN?: string;
  readonly O?: string;
}

/** An API server that wants a certificate of the cluster's authority, and knows one thing: its version. */
async function startServer(t: { teardown(then: () => unknown): void }, state: string) {
  const authorities = await open(state);
  const [entitlement] = entitledCertificates({
    identity: 'controller',
    hostname: 'master-1',
    addresses: [ip('127.0.0.1')],
    cluster: {
      apiServer: 'https://k8s.example.org',
      serviceNetwork: '10.3.0.0/24',
      dnsDomain: 'cluster.local',
    },
    controllers: [{ hostname: 'master-1', addresses: [ip('127.0.0.1')] }],
  });
  if (entitlement?.name !== 'kube-apiserver') throw new Error('the API server comes first');
  const { certificatePem, keyPem } = await authorities.issue(entitlement);
  const seen: Seen[] = [];
  const server = createServer(
    {
      key: keyPem,
      cert: certificatePem,
      ca: authorities.trustOf('kubernetes'),
      requestCert: true,
      rejectUnauthorized: true,
    },
    (request, response) => {
      seen.push((request.socket as TLSSocket).getPeerCertificate().subject as Seen);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ major: '1', minor: '30', gitVersion: 'v1.30.0', path: request.url }));
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return { seen, port: (server.address() as AddressInfo).port };
}

async function kubeconfig(...argv: readonly string[]) {
  let out = '';
  let err = '';
  const code = await runCli(['kubeconfig', ...argv], {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
  });
  return { code, out, err };
}

const EXISTING = `# hand-written: do not lose
apiVersion: v1
kind: Config
preferences: {}
clusters:
- name: home # the old one
  cluster:
    server: https://home.example.org
users:
- name: me
  user:
    token: abc
contexts:
- name: home
  context:
    cluster: home
    user: me
    namespace: mine
current-context: home
`;

t.test(
  'kubectl talks to the cluster with what was written, and still to the one before',
  { skip },
  async (t) => {
    const folder = makeFolder(t);
    const { seen, port } = await startServer(t, join(folder, 'var'));
    const config = join(folder, 'tinderbox.yaml');
    writeFileSync(
      config,
      `network: { interface: nowhere0 }\ncluster: { name: lab, apiServer: "https://api.example.org:${port}" }\n`,
    );
    const file = join(folder, 'kube');
    writeFileSync(file, EXISTING, { mode: 0o644 });
    const first = await kubeconfig('--user', 'ada', '--file', file, '--config', config);
    t.match(first, {
      code: 0,
      err: '',
      out: /wrote the context ada@lab[\s\S]*kubectl config use-context ada@lab/,
    });
    t.equal(statSync(file).mode & 0o777, 0o600);
    const text = readFileSync(file, 'utf8');
    for (const line of EXISTING.split('\n')) t.ok(text.includes(line), line);

    const view = JSON.parse(
      execFileSync('kubectl', ['config', 'view', '--kubeconfig', file, '--output', 'json'], {
        encoding: 'utf8',
      }),
    ) as object;
    t.match(view, {
      'current-context': 'home',
      clusters: [{ name: 'home' }, { name: 'lab', cluster: { server: `https://api.example.org:${port}` } }],
      users: [{ name: 'ada@lab' }, { name: 'me' }],
      contexts: [{ name: 'ada@lab', context: { cluster: 'lab', user: 'ada@lab' } }, { name: 'home' }],
    });
    const { stdout } = await promisify(execFile)(
      'kubectl',
      // Nothing resolves the name here; who is there, and who asks, is in the file all the same.
      `--kubeconfig ${file} --context ada@lab --server https://127.0.0.1:${port} get --raw /version`.split(
        ' ',
      ),
    );
    t.match(JSON.parse(stdout), { minor: '30', path: '/version' });
    t.match(seen, [{ CN: 'ada', O: 'system:masters' }]);

    const again = await kubeconfig('--user', 'ada', '--file', file, '--config', config);
    t.match(again, { code: 0, out: /nothing was changed/ });
    t.equal(readFileSync(file, 'utf8'), text);
  },
);

t.test('kubectl and tinderbox do not write at the same time', { skip }, async (t) => {
  const folder = makeFolder(t);
  await open(join(folder, 'var'));
  const config = join(folder, 'tinderbox.yaml');
  writeFileSync(
    config,
    'network: { interface: nowhere0 }\ncluster: { name: lab, apiServer: "https://k.example.org" }\n',
  );
  const file = join(folder, 'kube');
  writeFileSync(`${file}.lock`, '');
  t.match(await kubeconfig('--file', file, '--config', config), {
    code: 1,
    err: /kube\.lock is there[\s\S]*Try again/,
  });
  t.equal(
    spawnSync('kubectl', ['config', 'set-context', 'x', '--kubeconfig', file]).status,
    1,
    'the same lock',
  );
});
