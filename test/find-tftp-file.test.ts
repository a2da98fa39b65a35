import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createTftpLookup } from '../src/find-tftp-file.ts';
import { createBootFiles } from '../src/servers/tftp-files.ts';
import { ip } from './support/make-environment.ts';

async function start(t: Test) {
  const assets = t.testdir({ ipxe: {}, live: { vmlinuz: 'kernel', 'initrd.img': 'initrd', other: 'x' } });
  const generated: unknown[] = [];
  const lookup = createTftpLookup({
    assets,
    bootFiles: createBootFiles({
      folder: join(assets, 'ipxe'),
      distributionFolders: [],
      loaderNames: [],
      packagedFiles: new Map([['grubx64.efi', [join(assets, 'none'), join(assets, 'live/other')]]]),
    }),
    http: {
      generate(file, request) {
        generated.push({ file, request });
        return Promise.resolve(file.kind === 'optional' ? undefined : `made ${file.kind}`);
      },
      assetStage: (_remote, path) =>
        path.endsWith('vmlinuz') ? 'kernel' : path.endsWith('initrd.img') ? 'initrd' : undefined,
    },
  });
  const ask = (name: string, asked = `RRQ /${name}`) =>
    lookup(name, { remote: ip('10.77.0.100'), server: ip('10.77.0.1'), via: 'eth1', asked });
  return { assets, ask, generated };
}

t.test('a loader that a package has under another name is served', async (t) => {
  const { ask } = await start(t);
  t.match(await ask('grubx64.efi'), { file: { kind: 'loader', name: 'grubx64.efi', path: /live\/other$/ } });
});

t.test("the operator's own file wins over what would be made, and over a package's", async (t) => {
  const { ask, assets, generated } = await start(t);
  await mkdir(join(assets, 'ipxe/grub'));
  await writeFile(join(assets, 'ipxe/grub/grub.cfg'), 'own');
  await writeFile(join(assets, 'ipxe/grubx64.efi'), 'own');
  t.match(await ask('grub/grub.cfg'), { file: { path: /ipxe\/grub\/grub\.cfg$/ } });
  t.match(await ask('grubx64.efi'), { file: { path: /ipxe\/grubx64\.efi$/ } });
  t.same(generated, []);
});

t.test('a script is made for who asks, of the query as it was sent', async (t) => {
  const { ask, generated } = await start(t);
  const found = await ask('grub.cfg?mac=1&product=a/b', 'RRQ /grub.cfg?mac=1&product=a//b');
  t.match(found, { file: { kind: 'script', bytes: Buffer.from('made grub-script') } });
  t.match(generated, [
    {
      file: { query: 'mac=1&product=a//b' },
      request: { remote: ip('10.77.0.100'), server: ip('10.77.0.1') },
    },
  ]);
  t.match(await ask('grub/grub.cfg'), { file: { kind: 'text' } });
  t.match(await ask('autoexec.ipxe'), { file: { kind: 'text' } });
});

t.test('what loaders look for and do without is no fault', async (t) => {
  const { ask, generated } = await start(t);
  t.match(await ask('grub/x86_64-efi/fs.lst'), { refused: /do without/, missing: true, harmless: true });
  t.match(await ask('nothing.efi'), { refused: 'no such file', missing: true, harmless: undefined });
  t.same(generated, []);
});

t.test('below assets/ it serves what HTTP does, and knows kernel and initrd', async (t) => {
  const { ask, assets } = await start(t);
  t.match(await ask('assets/live/vmlinuz'), { file: { kind: 'kernel', bytes: Buffer.from('kernel') } });
  t.match(await ask('assets/live/%76mlinuz'), { file: { kind: 'kernel' } });
  t.match(await ask('assets/live/initrd.img'), { file: { kind: 'initrd' } });
  t.match(await ask('assets/live/other'), { file: { kind: 'asset' } });
  await symlink('/etc/passwd', join(assets, 'live/out'));
  for (const name of [
    'assets/live/none',
    'assets/live',
    'assets/live/.hidden',
    'assets/live/out',
    'assets/live/%2e%2e/x',
  ]) {
    t.match(await ask(name), { refused: /./ }, name);
  }
});
