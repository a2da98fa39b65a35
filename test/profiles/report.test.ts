import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { fileOf } from './support/cloud-config.ts';
import { renderRole } from './support/render-role.ts';
import { runScript } from './support/run-script.ts';
import { startSigningServer } from './support/signing-server.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'tinderbox-report-'));
t.teardown(() => rmSync(FOLDER, { recursive: true }));

/** Runs a role's report script where systemd says `failed` of one unit, or of none. */
async function report(t: Test, role: string, { probe = '', failed = 'none' } = {}) {
  const server = await startSigningServer([]);
  t.teardown(() => server.close());
  const root = mkdtempSync(join(FOLDER, 'machine-'));
  const bin = join(root, 'bin');
  mkdirSync(bin);
  for (const [name, text] of [
    ['systemctl', `[ "$3" = ${failed} ]`],
    ['journalctl', `echo "the journal of $*"; seq 1 9000`],
  ] as const) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  let script = fileOf(renderRole(role), '/opt/tinderbox/report')
    .replaceAll('http://10.77.0.1/boot', `${server.url}/boot`)
    .replaceAll('/run/', `${root}/`);
  if (probe !== '') script = script.replace('http://127.0.0.1:10248/healthz', probe);
  const shell = { name: 'bash', argv: ['bash'], path: `${bin}:/usr/bin:/bin` };
  const { status, output } = await runScript(script, { root, shell });
  const reports = server.posts.map(({ body }) => new URLSearchParams(body));
  return { status, output, reports };
}

t.test('a machine reports that it booted once its kubelet answers', async (t) => {
  const kubelet = await startSigningServer([(_post, response) => void response.end('ok')]);
  t.teardown(() => kubelet.close());
  const { status, output, reports } = await report(t, 'worker', { probe: `${kubelet.url}/healthz` });
  t.equal(status, 0, output);
  t.strictSame(reports.map(String), ['stage=booted']);
});

t.test('one that is looked at reports that it booted as soon as it did', async (t) => {
  const { status, reports } = await report(t, 'rescue');
  t.strictSame([status, reports.map(String)], [0, ['stage=booted']]);
});

t.test('a unit that failed is reported, with the end of what it said', async (t) => {
  for (const failed of ['tinderbox-identity.service', 'var-lib-containerd.mount']) {
    const probe = 'http://127.0.0.1:1/healthz';
    const { status, reports } = await report(t, 'worker', { probe, failed });
    t.equal(status, 1);
    t.equal(reports[0]?.get('stage'), 'failed');
    const log = reports[0]?.get('log') ?? '';
    t.ok(log.startsWith(`${failed} failed\n`), log.slice(0, 100));
    t.match(log, /\n9000\n$/);
    t.ok(log.length <= 8000);
  }
});
