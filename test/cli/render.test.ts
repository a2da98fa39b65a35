import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { runCli } from '../../src/cli/program.ts';

const MAC = '52:54:00:12:34:56';
const folder = await mkdtemp(join(tmpdir(), 'tinderbox-render-'));
t.teardown(() => rm(folder, { recursive: true, force: true }));
const file = join(folder, 'tinderbox.yaml');
await writeFile(file, 'network: { interface: nowhere0 }\n');
await mkdir(join(folder, 'profiles/worker'), { recursive: true });
await writeFile(join(folder, 'profiles/machines.yaml'), 'default: worker\n');

const cmdline = (words: string) =>
  writeFile(
    join(folder, 'profiles/worker/role.yaml'),
    `boot: { kernel: /assets/vmlinuz, cmdline: [${words}] }\n`,
  );

async function render(...argv: readonly string[]) {
  let [stdout, stderr] = ['', ''];
  const code = await runCli(['render', MAC, ...argv, '--config', file], {
    out: (text) => void (stdout += text),
    err: (text) => void (stderr += text),
  });
  return { code, stdout, stderr };
}

t.test('the script is shown in the language of either loader', async (t) => {
  await cmdline('quiet');
  t.match((await render('--only', 'script')).stdout, /^#!ipxe\n[\s\S]*\/assets\/vmlinuz quiet/);
  const grub = await render('--only', 'grub');
  t.equal(grub.code, 0);
  t.match(grub.stdout, /if linux '\(http,192\.0\.2\.1\)\/assets\/vmlinuz' 'quiet'; then/);
  t.match(JSON.parse((await render('--json')).stdout), { grub: { script: grub.stdout } });
  t.match(await render('--only', 'other'), { code: 2, stderr: /It gives: script, grub, config/ });
});

t.test('why GRUB cannot boot a role is said, and keeps nothing else from being shown', async (t) => {
  await cmdline('"a=\\"x\\""');
  const grub = await render('--only', 'grub');
  t.match(grub, { code: 1, stdout: '', stderr: /GRUB cannot boot role worker: .*backslash/ });
  t.equal((await render('--only', 'script')).code, 0);
});
