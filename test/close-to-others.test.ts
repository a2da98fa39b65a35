import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { closeStateFolder, refuseSharedFolder } from '../src/close-to-others.ts';
import { resolveConfig } from '../src/config/resolve.ts';
import { importKubeadmFolder } from '../src/manage-authorities.ts';
import { checkState } from '../src/preflight-state.ts';
import { makeForeignAuthority } from './pki/support/make-cluster.ts';

const base = mkdtempSync(join(tmpdir(), 'tinderbox-others-'));
t.teardown(() => rmSync(base, { recursive: true, force: true }));
const silent = { warn: () => undefined } as never;

function makeState(mode: number): string {
  const folder = mkdtempSync(join(base, 'state-'));
  chmodSync(folder, mode);
  return folder;
}

t.test('a folder that others may write is closed, and one that everybody shares is refused', async (t) => {
  const shared = makeState(0o1777);
  const rows: [string, number, boolean][] = [
    [makeState(0o700), 0o700, false],
    [makeState(0o777), 0o700, false],
    [makeState(0o1700), 0o1700, false],
    [shared, 0o1777, true],
  ];
  for (const [folder, after, refused] of rows) {
    const closing = closeStateFolder(folder, silent);
    if (refused) await t.rejects(closing, { code: 'refused', remedy: /a folder of its own/ });
    else await t.resolves(closing, folder);
    t.equal(statSync(folder).mode & 0o7777, after);
  }
  await t.resolves(closeStateFolder(join(base, 'none'), silent), 'who needs it makes it');
  await t.resolves(refuseSharedFolder(join(base, 'none')));
  await t.rejects(refuseSharedFolder(shared), { code: 'refused' });
});

t.test('nothing is made in a state folder that everybody shares, and check says so', async (t) => {
  const state = makeState(0o1777);
  const content = `network: { interface: lo }\npaths: { state: ${state} }\n`;
  const { config } = resolveConfig({ file: 'tinderbox.yaml', content, folder: base, env: {} });
  if (config === undefined) throw new Error('the configuration is broken');
  t.match(await checkState(config), [
    { severity: 'error', file: 'tinderbox.yaml', message: /paths\.state: .* has the mode 1777/ },
  ]);
  const from = join(base, 'kubeadm');
  mkdirSync(from);
  const { certificate, key } = makeForeignAuthority(base);
  copyFileSync(certificate, join(from, 'ca.crt'));
  copyFileSync(key, join(from, 'ca.key'));
  const options = { replace: false, now: Date.now() };
  await t.rejects(importKubeadmFolder(config, from, options), { code: 'refused' });
  t.same(readdirSync(state), []);
});
