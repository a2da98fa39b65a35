import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { renderTemplate } from '../../src/render/template-engine.ts';
import { fileOf } from './support/cloud-config.ts';
import { parseConfig, roleContext, shippedRole } from './support/render-role.ts';
import { type Run, runScript } from './support/run-script.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'tinderbox-programs-'));
t.teardown(() => rmSync(FOLDER, { recursive: true }));

/** An archive with files that hold their own names. */
function archive(name: string, ...files: readonly string[]): Buffer {
  const place = mkdtempSync(join(FOLDER, 'archive-'));
  for (const file of files) {
    mkdirSync(join(place, file, '..'), { recursive: true });
    writeFileSync(join(place, file), file, { mode: 0o755 });
  }
  execFileSync('tar', ['-czf', join(FOLDER, name), '-C', place, ...readdirSync(place)]);
  return readFileSync(join(FOLDER, name));
}

const ASSETS: Readonly<Record<string, Buffer>> = {
  kubelet: Buffer.from('kubelet'),
  'cni-plugins.tgz': archive('cni-plugins.tgz', 'bridge', 'loopback'),
  'crictl.tar.gz': archive('crictl.tar.gz', 'crictl'),
  'etcd.tar.gz': archive(
    'etcd.tar.gz',
    'etcd-v3/etcd',
    'etcd-v3/etcdctl',
    'etcd-v3/etcdutl',
    'etcd-v3/README.md',
  ),
  'flannel.tar.gz': archive('flannel.tar.gz', 'flanneld', 'mk-docker-opts.sh', 'README.md'),
  'cni-plugin-flannel.tgz': archive('cni-plugin-flannel.tgz', 'flannel-amd64'),
};
const sums = (assets: Readonly<Record<string, Buffer>>) =>
  Object.entries(assets)
    .map(([name, content]) => `${createHash('sha256').update(content).digest('hex')}  ${name}\n`)
    .join('');

/** Answers by path and by how often it was asked; undefined is a 404. */
type Content = (name: string, time: number) => string | Buffer | number | undefined;

async function fetchPrograms(t: Test, files: string, content: Content) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const name = request.url?.replace('/assets/a folder/v1/'.replace(' ', '%20'), '') ?? '';
    asked.push(name);
    const answer = content(name, asked.filter((one) => one === name).length) ?? 404;
    response
      .writeHead(typeof answer === 'number' ? answer : 200)
      .end(typeof answer === 'number' ? '' : answer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const role = shippedRole('worker');
  const template = {
    file: 'test.hbs',
    text: `#cloud-config\nwrite_files:\n  {{> program-files name="programs" folder="a%20folder" version="v1" files="${files}"}}\n`,
    line: 1,
  };
  const context = { ...roleContext(role), assetsUrl: `http://127.0.0.1:${port}/assets` };
  const root = mkdtempSync(join(FOLDER, 'machine-'));
  const script = fileOf(
    parseConfig(renderTemplate(template, context, role.partials)),
    '/opt/tinderbox/fetch-programs',
  ).replaceAll('/opt/', `${root}/opt/`);
  const run: Run = await runScript(script, { root });
  return { ...run, asked, root };
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

t.test('programs are where the system looks for them, whatever they are packed in', async (t) => {
  const files = Object.keys(ASSETS).join(' ');
  const { status, output, root, asked } = await fetchPrograms(t, files, (name) =>
    name === 'SHA256SUMS' ? sums(ASSETS) : ASSETS[name],
  );
  t.equal(status, 0, output);
  for (const program of [
    'bin/kubelet',
    'bin/crictl',
    'bin/etcd',
    'bin/etcdctl',
    'bin/flanneld',
    'cni/bin/bridge',
    'cni/bin/flannel',
    'cni/bin/loopback',
  ]) {
    t.ok(isProgram(join(root, 'opt', program)), program);
  }
  t.notOk(existsSync(join(root, 'opt/bin/README.md')));
  t.notOk(existsSync(join(root, 'opt/bin/mk-docker-opts.sh')));
  t.notOk(existsSync(join(root, 'opt/cni/bin/flannel-amd64')));
  t.notOk(existsSync(join(root, 'opt/tinderbox/download-programs')));
  t.strictSame(asked, [...Object.keys(ASSETS), 'SHA256SUMS']);
});

t.test('what is missing or damaged is fetched again until it is right, and never run before', async (t) => {
  const wrong = sums({ ...ASSETS, kubelet: Buffer.from('other') });
  const right = sums(ASSETS);
  const table: readonly [string, Content, readonly string[], RegExp][] = [
    [
      'a file that is put there later',
      (name, time) => (name === 'crictl.tar.gz' && time < 3 ? 404 : ASSETS[name]),
      ['2', '4'],
      /cannot fetch .*crictl\.tar\.gz/,
    ],
    [
      'a file that came damaged',
      (name, time) => (name === 'SHA256SUMS' ? (time === 1 ? wrong : right) : ASSETS[name]),
      ['2'],
      /kubelet: FAILED/,
    ],
    [
      'sums that cannot be had',
      (name, time) => (name === 'SHA256SUMS' ? (time === 1 ? 503 : right) : ASSETS[name]),
      ['2'],
      /SHA256SUMS \(status 503\)/,
    ],
    ['no sums', (name) => ASSETS[name], [], /the files are not checked/],
    [
      'an archive that is none',
      (name, time) => (name === 'crictl.tar.gz' && time === 1 ? 'x' : ASSETS[name]),
      ['2'],
      /gzip|tar/,
    ],
    [
      'a kubelet that is wrong for ever',
      (name) => (name === 'SHA256SUMS' ? wrong : ASSETS[name]),
      ['2', '4', '8', '16', '30', '30'],
      /FAILED/,
    ],
  ];
  for (const [what, content, slept, said] of table) {
    const run = await fetchPrograms(t, 'kubelet crictl.tar.gz', content);
    const ends = slept.length < 6;
    t.strictSame(run.slept, slept, `${what}: ${run.output}`);
    t.equal(run.status, ends ? 0 : 9, what);
    t.match(run.output, said, what);
    t.equal(existsSync(join(run.root, 'opt/bin/kubelet')), ends, what);
  }
});
