import { execFile } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readFile, readlink, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { Command } from 'commander';
import t, { type Test } from 'tap';
import { addAssetsCommand } from '../../src/cli/assets.ts';
import { runCli } from '../../src/cli/program.ts';
import { toTinderboxError } from '../../src/errors.ts';
import type { ImageVendor } from '../../src/images/vendor.ts';
import { IMAGE_VENDORS } from '../../src/images/vendors/index.ts';
import { MIRROR_VERSIONS } from '../support/vendor-layouts.ts';
import { startVendorMirror, type VendorMirror } from '../support/vendor-mirror.ts';

const MAC = '52:54:00:12:34:56';
const run = promisify(execFile);

/** What a role of each would boot, as docs/image-vendors.md names the files. */
const BOOTS: Readonly<Record<string, readonly [kernel: string, initrd: string]>> = {
  flatcar: ['flatcar_production_pxe.vmlinuz', 'flatcar_production_pxe_image.cpio.gz'],
  fcos: ['kernel', 'initramfs.img'],
  debian: ['linux', 'initrd.gz'],
  ubuntu: ['vmlinuz', 'initrd'],
  talos: ['vmlinuz', 'initramfs.xz'],
};

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** `tinderbox …` below a folder of its own. */
function command(folder: string) {
  return async (...argv: readonly string[]): Promise<Outcome> => {
    const said = { out: '', err: '' };
    const code = await runCli([...argv, '--config', join(folder, 'tinderbox.yaml')], {
      out: (text) => void (said.out += text),
      err: (text) => void (said.err += text),
    });
    return { code, ...said };
  };
}

/** `tinderbox assets pull …`, with the mirror's key in the place of the vendors', which nobody else can sign with. */
function pullCommand(folder: string, mirror: VendorMirror) {
  const { fingerprint } = mirror.signer;
  const key = { fingerprint, owner: 'Test vendor', url: `${mirror.url}/key.asc` };
  const vendors = IMAGE_VENDORS.map(
    (vendor): ImageVendor => (vendor.keys.length === 0 ? vendor : { ...vendor, keys: [key] }),
  );
  return async (...argv: readonly string[]): Promise<Outcome> => {
    const said = { out: '', err: '' };
    let code = 0;
    const program = new Command('tinderbox').enablePositionalOptions();
    const output = {
      out: (text: string) => void (said.out += text),
      err: (text: string) => void (said.err += text),
    };
    addAssetsCommand(program, { ...output, fail: (as = 1) => void (code = as) }, vendors);
    const pull = program.commands[0]?.commands.find((one) => one.name() === 'pull');
    pull
      ?.option('--config <file>')
      .exitOverride()
      .configureOutput({ writeOut: output.out, writeErr: output.err });
    const line = [
      'assets',
      'pull',
      ...argv,
      '--mirror',
      mirror.url,
      '--config',
      join(folder, 'tinderbox.yaml'),
    ];
    try {
      await program.parseAsync(line, { from: 'user' });
    } catch (thrown) {
      const { message, remedy } = toTinderboxError(thrown);
      said.err += `${message}\n    ${remedy ?? ''}\n`;
      code = 1;
    }
    return { code, ...said };
  };
}

/** In a short path: the admin socket's may have 107 bytes. */
async function makeSite(t: Test, image = 'flatcar', kernel = 'kernel', initrd = 'initrd'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-vendors-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const boot = `boot: { kernel: /assets/${image}/${kernel}, initrd: [/assets/${image}/${initrd}] }\n`;
  await mkdir(join(folder, 'profiles/pulled'), { recursive: true });
  await mkdir(join(folder, 'assets'));
  await writeFile(join(folder, 'tinderbox.yaml'), 'network: { interface: lo }\ndhcp: { mode: proxy }\n');
  await writeFile(join(folder, 'profiles/machines.yaml'), 'default: pulled\n');
  await writeFile(join(folder, 'profiles/pulled/role.yaml'), `description: Boots what was pulled\n${boot}`);
  return folder;
}

/** Kernel and initrd that a machine's script names, below the site, by what links stand for. */
async function namedFiles(tinderbox: ReturnType<typeof command>, folder: string): Promise<readonly string[]> {
  const { out } = await tinderbox('render', MAC, '--only', 'script');
  const paths = [...out.matchAll(/^(?:kernel|initrd) .*?http:\/\/[^/]+(\/assets\/\S+)/gm)];
  return Promise.all(
    paths.map(async ([, path = '']) => relative(folder, await realpath(join(folder, path)))),
  );
}

/** As Ubuntu's is made: by xorriso, with what boots over the network in `casper`. */
async function makeIso(t: Test): Promise<Buffer> {
  const folder = t.testdir({
    tree: { casper: { vmlinuz: 'kernel '.repeat(2000), initrd: 'initrd '.repeat(9000) } },
  });
  await run('xorriso', ['-as', 'mkisofs', '-quiet', '-R', '-J', '-o', 'ubuntu.iso', 'tree'], { cwd: folder });
  return readFile(join(folder, 'ubuntu.iso'));
}

const versionsOf = (vendor: ImageVendor): readonly string[] => {
  const versions = MIRROR_VERSIONS[vendor.name as keyof typeof MIRROR_VERSIONS];
  return typeof versions === 'string' ? [versions] : versions;
};

t.test('of each vendor an image is pulled, listed, chosen, and named by a machine’s script', async (t) => {
  await using mirror = await startVendorMirror({ iso: await makeIso(t), size: 70_000 });
  mirror.files.set('/key.asc', Buffer.from(mirror.signer.publicKey));
  for (const vendor of IMAGE_VENDORS) {
    await t.test(vendor.name, async (t) => {
      const { name } = vendor;
      const [kernel, initrd] = BOOTS[name] ?? ['etcd.tar.gz', 'SHA256SUMS'];
      const folder = await makeSite(t, name, kernel, initrd);
      const tinderbox = command(folder);
      const pull = pullCommand(folder, mirror);
      const how = vendor.keys.length > 0 ? ['--trust', mirror.signer.fingerprint] : ['--insecure-checksums'];
      const channel = name === 'ubuntu' ? ['--channel', '24.04'] : [];
      // Ubuntu's folder keeps the newest image only, Debian's archive one point release.
      const older = name === 'ubuntu' || name === 'debian' ? undefined : (versionsOf(vendor)[0] as string);
      const newest = versionsOf(vendor).at(-1) as string;

      for (const version of older === undefined ? [[]] : [['--version', older], []]) {
        const pulled = await pull(name, ...how, ...channel, ...version, '--arch', 'amd64');
        t.equal(pulled.code, 0, pulled.err);
      }
      const list = await tinderbox('assets', 'list', '--verify', '--json');
      t.equal(list.code, 0, list.err);
      const { images } = JSON.parse(list.out) as {
        readonly images: readonly {
          readonly image: string;
          readonly version: string;
          readonly current: boolean;
        }[];
      };
      const found = images
        .filter(({ image }) => image === name)
        .map(({ version, current }) => [version, current]);
      t.same(Object.fromEntries(found), {
        ...(older === undefined ? {} : { [older]: false }),
        [newest]: true,
      });
      t.equal(await readlink(join(folder, 'assets', name, 'current')), newest);
      if (BOOTS[name] === undefined) return;
      const boots = (version: string) => [kernel, initrd].map((file) => join('assets', name, version, file));
      t.same(await namedFiles(tinderbox, folder), boots(newest));
      if (older === undefined) return;
      const used = await tinderbox('assets', 'use', name, older);
      t.equal(used.code, 0, used.err);
      t.same(await namedFiles(tinderbox, folder), boots(older));
    });
  }
});

t.test('what machines check the programs with lies beside them', async (t) => {
  await using mirror = await startVendorMirror();
  for (const name of ['kubernetes', 'etcd']) {
    const folder = await makeSite(t);
    const pulled = await pullCommand(folder, mirror)(name, '--insecure-checksums');
    t.equal(pulled.code, 0, pulled.err);
    const version = MIRROR_VERSIONS[name as 'etcd'][1];
    const { stdout } = await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], {
      cwd: join(folder, 'assets', name, version),
    });
    t.match(
      stdout,
      name === 'etcd'
        ? 'etcd.tar.gz: OK'
        : /kubelet: OK\nkubectl: OK\ncni-plugins\.tgz: OK\ncrictl\.tar\.gz: OK/,
    );
  }
});

t.test('nothing becomes usable of a mirror that lies', async (t) => {
  const flatcar = '/stable/amd64-usr/4230.2.2/flatcar_production_pxe_image.cpio.gz';
  const debian =
    '/dists/stable/main/installer-amd64/20250803+deb13u8/images/netboot/debian-installer/amd64/initrd.gz';
  const lies: readonly (readonly [what: string, vendor: string, (mirror: VendorMirror) => unknown])[] = [
    [
      'a changed file with a good signature of another',
      'flatcar',
      (mirror) => mirror.faults.set(flatcar, 'tampered'),
    ],
    ['a file signed by a stranger', 'flatcar', (mirror) => mirror.signWrongly(`${flatcar}.sig`)],
    ['a file without its signature', 'flatcar', (mirror) => mirror.faults.set(`${flatcar}.sig`, 'missing')],
    [
      'a version signed by a stranger',
      'flatcar',
      (mirror) => mirror.signWrongly('/stable/amd64-usr/current/version.txt.sig'),
    ],
    [
      'a file that is not the one of the signed list',
      'debian',
      (mirror) => mirror.faults.set(debian, 'tampered'),
    ],
    ['a list signed by a stranger', 'debian', (mirror) => mirror.signWrongly('/dists/stable/InRelease')],
    ['a rootfs of another version', 'fcos', (mirror) => mirror.faults.set(rootfs(mirror), 'tampered')],
    ['an image that is no ISO 9660, though its checksum is right', 'ubuntu', () => undefined],
    [
      'a list of images signed by a stranger',
      'ubuntu',
      (mirror) => mirror.signWrongly('/24.04/SHA256SUMS.gpg'),
    ],
    [
      'a program that its checksum does not fit',
      'kubernetes',
      (mirror) => mirror.faults.set('/release/v1.36.0/bin/linux/amd64/kubelet', 'tampered'),
    ],
    ['checksums over plain http', 'talos', () => undefined],
  ];
  for (const [what, name, lie] of lies) {
    await using mirror = await startVendorMirror();
    mirror.files.set('/key.asc', Buffer.from(mirror.signer.publicKey));
    await lie(mirror);
    const folder = await makeSite(t);
    const flags = name === 'kubernetes' ? ['--insecure-checksums'] : ['--trust', mirror.signer.fingerprint];
    const channel = name === 'ubuntu' ? ['--channel', '24.04'] : [];
    const { code, err } = await pullCommand(folder, mirror)(
      name,
      ...channel,
      ...(name === 'talos' ? [] : flags),
    );
    t.equal(code, 1, what);
    t.match(err, /\w/, what);
    await t.rejects(lstat(join(folder, 'assets', name, 'current')), { code: 'ENOENT' }, what);
    const { out } = await command(folder)('assets', 'list', '--json');
    t.same((JSON.parse(out) as { images: unknown[] }).images, [], what);
  }
});

function rootfs({ files }: VendorMirror): string {
  return [...files.keys()].find((path) => path.endsWith('44.20260607.3.1-live-rootfs.x86_64.img')) as string;
}
