import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { runCli } from '../../src/cli/program.ts';
import { debian } from '../../src/images/vendors/debian.ts';
import { startVendorMirror } from '../support/vendor-mirror.ts';

const run = promisify(execFile);
const FULL = process.env['TINDERBOX_FULL'] === '1';
const RELEASES: Readonly<Record<string, string>> = { bookworm: '12', trixie: '13' };
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The archive that this host's own packages come from, and its suite. */
async function readArchive(): Promise<{ readonly url: string; readonly suite: string }> {
  const format = ['--format', '$(REPO_URI) $(CODENAME)', 'Created-By: Packages'];
  const { stdout } = await run('apt-get', ['indextargets', ...format]);
  const [url = '', suite = ''] =
    stdout
      .split('\n')
      .map((line) => line.split(' '))
      .find(([, codename]) => codename !== undefined && codename in RELEASES) ?? [];
  return { url: url.replace(/\/+$/, ''), suite };
}

async function makeSite(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-debian-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'profiles'));
  await mkdir(join(folder, 'assets'));
  await writeFile(join(folder, 'tinderbox.yaml'), 'network: { interface: lo }\ndhcp: { mode: proxy }\n');
  await writeFile(join(folder, 'profiles/machines.yaml'), 'default: none\n');
  const trust = debian.keys.flatMap(({ fingerprint }) => ['--trust', fingerprint]);
  return {
    folder,
    pull: async (...argv: readonly string[]) => {
      const said = { out: '', err: '' };
      const config = ['--config', join(folder, 'tinderbox.yaml')];
      const code = await runCli(
        ['assets', 'pull', 'debian', '--key', KEYRING, ...trust, ...argv, ...config],
        {
          out: (text) => void (said.out += text),
          err: (text) => void (said.err += text),
        },
      );
      return { code, ...said };
    },
  };
}

async function sum(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

t.test("Debian's own archive proves its installer with the keys that apt trusts", async (t) => {
  const { url, suite } = await readArchive();
  const { pull } = await makeSite(t);
  const { code, out, err } = await pull('--channel', suite, '--mirror', url, '--dry-run');
  // Then the signature was good, too: what it names is not there yet.
  if (err.includes('It is being updated')) return t.equal(code, 1, err);
  t.equal(code, 0, err);
  t.match(out, new RegExp(`debian ${RELEASES[suite]}\\.\\d+ would be fetched`));
  t.match(out, /installer-amd64\/\d{8}\S*\/images\/netboot\/debian-installer\/amd64\/initrd\.gz/);
});

t.test('a list of it that was changed by one byte is refused', async (t) => {
  const { url, suite } = await readArchive();
  await using mirror = await startVendorMirror();
  const release = Buffer.from(await (await fetch(`${url}/dists/${suite}/InRelease`)).arrayBuffer());
  const { pull } = await makeSite(t);
  const flags = ['--channel', suite, '--mirror', mirror.url, '--dry-run'];
  mirror.files.set(
    `/dists/${suite}/InRelease`,
    Buffer.from(release.toString().replace(/^Suite: ./m, 'Suite: x')),
  );
  const { code, err } = await pull(...flags);
  t.equal(code, 1);
  t.match(err, /signature/i);
});

// 130 MB: the package has the installer that the archive has, byte for byte.
if (FULL) {
  t.test("the installer of Debian's package is what the archive's signature is of", async (t) => {
    const { url, suite } = await readArchive();
    await using mirror = await startVendorMirror();
    const get = async (path: string) => {
      mirror.files.set(path, Buffer.from(await (await fetch(`${url}${path}`)).arrayBuffer()));
      return mirror.files.get(path)?.toString() ?? '';
    };
    const release = await get(`/dists/${suite}/InRelease`);
    const [, images = ''] =
      /^ \S+ +\d+ (main\/installer-amd64\/\d{8}\+\S+\/images)\/SHA256SUMS$/m.exec(release) ?? [];
    await get(`/dists/${suite}/${images}/SHA256SUMS`);
    const { folder, pull } = await makeSite(t);
    const name = `debian-installer-${RELEASES[suite]}-netboot-amd64`;
    await run('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', name], { cwd: folder });
    const file = (await readdir(folder)).find((one) => one.endsWith('.deb')) as string;
    await run('dpkg-deb', ['--extract', file, 'package'], { cwd: folder });
    const files = join(
      folder,
      `package/usr/lib/debian-installer/images/${RELEASES[suite]}/amd64/text/debian-installer/amd64`,
    );
    for (const one of ['linux', 'initrd.gz']) {
      const path = `/dists/${suite}/${images}/netboot/debian-installer/amd64/${one}`;
      mirror.files.set(path, await readFile(join(files, one)));
    }
    const { code, err } = await pull('--channel', suite, '--mirror', mirror.url);
    t.equal(code, 0, err);
    t.equal(await sum(join(folder, 'assets/debian/current/initrd.gz')), await sum(join(files, 'initrd.gz')));
  });
}
