import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { administratorEntitlement, watcherEntitlement } from '../../src/pki/entitled-certificates.ts';
import { CONTROLLER, entitlement, makeFolder, open } from '../pki/support/make-cluster.ts';
import { ip } from './make-environment.ts';

/** The stand-in as a program, and curl with the certificates of each party, as a guest uses them. */
const folder = makeFolder(t);
const authorities = await open(folder);
const ca = join(folder, 'ca.crt');
writeFileSync(ca, authorities.trustOf('kubernetes'));
const parties = {
  server: entitlement('kube-apiserver', { ...CONTROLLER, addresses: [ip('127.0.0.1')] }),
  node: entitlement('node'),
  tinderbox: watcherEntitlement(),
  ada: administratorEntitlement('ada'),
  // Of the cluster, but of none of the groups.
  proxy: entitlement('kube-proxy'),
  // Of another authority.
  etcd: entitlement('etcd-peer', { ...CONTROLLER, identity: 'etcd' }),
};
for (const [name, wanted] of Object.entries(parties)) {
  const { certificatePem, keyPem } = await authorities.issue(wanted);
  writeFileSync(join(folder, `${name}.crt`), certificatePem);
  writeFileSync(join(folder, `${name}.key`), keyPem);
}

const program = spawn(
  process.execPath,
  [
    fileURLToPath(new URL('api-server.ts', import.meta.url)),
    '--listen=127.0.0.1:0',
    `--ca=${ca}`,
    `--certificate=${join(folder, 'server.crt')}`,
    `--key=${join(folder, 'server.key')}`,
  ],
  { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env['PATH'] } },
);
t.teardown(async () => {
  program.kill('SIGTERM');
  if (program.exitCode === null) await once(program, 'exit');
});
const [ready] = (await once(createInterface(program.stdout), 'line')) as [string];
const url = /^ready (https:\S+)$/.exec(ready)?.[1] ?? '';

interface Reply {
  readonly status: number;
  readonly json: Record<string, unknown>;
}

/** 0 where the handshake failed. */
async function curl(who: string, path: string, ...args: readonly string[]): Promise<Reply> {
  const certificate =
    who === 'nobody' ? [] : ['--cert', join(folder, `${who}.crt`), '--key', join(folder, `${who}.key`)];
  const all = ['-sS', '--cacert', ca, ...certificate, '-w', '\n%{http_code}', ...args, `${url}${path}`];
  const { stdout } = await promisify(execFile)('curl', all).catch(() => ({ stdout: '\n000' }));
  const end = stdout.lastIndexOf('\n');
  const text = stdout.slice(0, end).trim();
  return {
    status: Number(stdout.slice(end + 1)),
    json: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {},
  };
}

const post = (name: string) => ['-d', JSON.stringify({ kind: 'Node', metadata: { name } })];
const patch = (body: object) => [
  '-XPATCH',
  '-Hcontent-type: application/merge-patch+json',
  '-d',
  JSON.stringify(body),
];
const ROOT = '/api/v1/nodes';

t.test('a kubelet registers its Node with curl, and says that it is ready', async (t) => {
  t.match(await curl('node', ROOT, ...post('node-1')), {
    status: 201,
    json: { metadata: { name: 'node-1' } },
  });
  t.match(await curl('node', ROOT, ...post('node-1')), { status: 409, json: { reason: 'AlreadyExists' } });
  const status = { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { bootID: 'b1' } };
  t.match(await curl('node', `${ROOT}/node-1/status`, ...patch({ status })), {
    status: 200,
    json: { status },
  });
  const labels = { metadata: { labels: { a: 'b' } }, status: null };
  t.match(await curl('node', `${ROOT}/node-1`, ...patch(labels)), {
    status: 200,
    json: { ...labels, status },
  });
  t.match(await curl('node', `${ROOT}/node-1`), { status: 200, json: { status } });
  t.match(await curl('tinderbox', `${ROOT}?limit=10`), {
    status: 200,
    json: { kind: 'NodeList', items: [{ metadata: { name: 'node-1' }, status }] },
  });
});

const refused: readonly (readonly [
  who: string,
  what: string,
  status: number,
  path: string,
  ...args: string[],
])[] = [
  ['nobody', 'say a word', 0, ROOT],
  ['etcd', 'say a word', 0, ROOT],
  ['proxy', 'list Nodes', 403, ROOT],
  ['node', "create another's Node", 403, ROOT, ...post('node-2')],
  ['node', "read another's Node", 403, `${ROOT}/node-2`],
  ['node', "patch another's status", 403, `${ROOT}/node-2/status`, ...patch({ status: {} })],
  ['node', 'list Nodes', 403, ROOT],
  ['node', 'watch Nodes', 403, `${ROOT}?watch=1`],
  ['node', 'delete its own Node', 403, `${ROOT}/node-1`, '-X', 'DELETE'],
  ['tinderbox', 'create a Node', 403, ROOT, ...post('node-3')],
  ['tinderbox', 'patch a Node', 403, `${ROOT}/node-1`, ...patch({})],
  ['ada', 'find what is not there', 404, `${ROOT}/node-9`],
  ['ada', 'see secrets', 404, '/api/v1/secrets'],
  ['ada', 'delete all Nodes', 405, ROOT, '-X', 'DELETE'],
  ['ada', 'create a Node without a name', 422, ROOT, '-d', '{}'],
  ['ada', 'post what is no JSON', 400, ROOT, '-d', '<xml/>'],
  ['ada', 'patch in another way', 415, `${ROOT}/node-1`, '-X', 'PATCH', '-d', '{}'],
];
for (const [who, what, status, path, ...args] of refused) {
  t.test(`${who} cannot ${what}`, async (t) => {
    const reply = await curl(who, path, ...args);
    t.equal(reply.status, status);
    if (status > 0) t.match(reply.json, { kind: 'Status', status: 'Failure', code: status });
  });
}

t.test('a watch goes on from a version, and ends when its time is up', async (t) => {
  const { json } = await curl('tinderbox', ROOT);
  const { resourceVersion } = json['metadata'] as { resourceVersion: string };
  t.match(await curl('ada', ROOT, ...post('node-4')), { status: 201 });
  t.match(await curl('ada', `${ROOT}/node-4`, '-X', 'DELETE'), { status: 200, json: { status: 'Success' } });
  const query = `?watch=1&timeoutSeconds=1&resourceVersion=${resourceVersion}`;
  const all = [
    '-sS',
    '--cacert',
    ca,
    '--cert',
    join(folder, 'tinderbox.crt'),
    '--key',
    join(folder, 'tinderbox.key'),
  ];
  const { stdout } = await promisify(execFile)('curl', [...all, `${url}${ROOT}${query}`]);
  const changes = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string });
  t.match(changes, [
    { type: 'ADDED', object: { metadata: { name: 'node-4' } } },
    { type: 'DELETED', object: { metadata: { name: 'node-4' } } },
  ]);
});
