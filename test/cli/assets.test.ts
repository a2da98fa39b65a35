import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import t from 'tap';
import { addAssetsCommand } from '../../src/cli/assets.ts';
import { type PullFlags, type PullSurroundings, runPull } from '../../src/cli/assets-pull.ts';
import { describeSigners } from '../../src/cli/format-pull.ts';
import { runCli } from '../../src/cli/program.ts';
import { loadConfig } from '../../src/config/load.ts';
import { makeGpg } from '../support/make-openpgp.ts';
import { startVendorMirror, testVendor } from '../support/test-vendor.ts';

const gpg = makeGpg(t);
const key = gpg.makeKey('Vendor <images@example.org>');
const mirror = await startVendorMirror(t, gpg, key, ['1', '2', '3']);
const vendor = testVendor(mirror, [key]);
const folder = await mkdtemp(join(tmpdir(), 'tinderbox-assets-'));
t.teardown(() => rm(folder, { recursive: true, force: true }));
const file = join(folder, 'tinderbox.yaml');
await writeFile(file, 'network: { interface: lo }\n');
await mkdir(join(folder, 'profiles/node'), { recursive: true });
await mkdir(join(folder, 'profiles/old'));
await writeFile(join(folder, 'profiles/machines.yaml'), 'default: node\n');
await writeFile(join(folder, 'profiles/node/role.yaml'), 'boot: { kernel: /assets/testos/vmlinuz }\n');
await writeFile(join(folder, 'profiles/old/role.yaml'), 'boot: { kernel: /assets/testos/1/vmlinuz }\n');
const { config } = await loadConfig(file, {});

async function pull(flags: Partial<PullFlags> = {}, surroundings: PullSurroundings = {}) {
  let [stdout, stderr, code] = ['', '', 0];
  const context = {
    out: (text: string) => void (stdout += text),
    err: (text: string) => void (stderr += text),
    fail: () => void (code = 1),
  };
  const given: PullFlags = { arch: 'amd64', trust: [key.fingerprint], parallel: 2, use: true, ...flags };
  await runPull(config, vendor, given, context, { retry: { tries: 2, pause: 1 }, ...surroundings });
  return { stdout, stderr, code };
}

async function run(...argv: readonly string[]) {
  let [stdout, stderr] = ['', ''];
  const code = await runCli(['assets', ...argv, '--config', file], {
    out: (text) => void (stdout += text),
    err: (text) => void (stderr += text),
  });
  return { code, stdout, stderr };
}

t.test('before the first pull nothing is listed, used or removed, and each says how to begin', async (t) => {
  t.match(await run('list'), { code: 0, stdout: 'The first: tinderbox assets pull flatcar' });
  t.match(await run('prune'), { code: 0, stdout: 'nothing to remove' });
  t.match(await run('use', 'nonsense', '1'), {
    code: 1,
    stderr: 'None was pulled yet: tinderbox assets pull --help',
  });
});

const fetched = (url: string) => ({ name: 'x', size: 1, sha512: '', proof: '', url });

t.test('what nobody signed is said to have come over plain http where it did', async (t) => {
  const [safe, plain] = [fetched('https://vendor.example/x'), fetched('http://mirror.example/x')];
  t.equal(describeSigners({ signedBy: [], files: [safe] }), 'checksum only, over HTTPS');
  t.equal(describeSigners({ signedBy: [], files: [safe, plain] }), 'checksum only, over plain http');
  t.equal(describeSigners({ signedBy: [{ fingerprint: 'A', owner: 'V' }], files: [plain] }), 'V');
});

t.test('a dry run says what would be fetched, from where, and how it would be proven', async (t) => {
  const { stdout } = await pull({ dryRun: true });
  t.match(stdout, `testos 3 would be fetched to ${folder}/assets/testos/3`);
  t.match(stdout, /vmlinuz {2}293 KiB\n {4}from http:\S+\n {4}proven by signature http:\S+\.sig\n/);
  t.match(stdout, '586 KiB in all; nothing was fetched.');
  t.notOk(existsSync(join(folder, 'assets/testos')));
  const { stdout: json } = await pull({ dryRun: true, json: true });
  t.match(JSON.parse(json), {
    image: 'testos',
    version: '3',
    bytes: 600_000,
    signedBy: [{ fingerprint: key.fingerprint }],
  });
});

t.test('a pull says what it did, and where the way back is', async (t) => {
  const first = await pull({ version: '1' });
  t.match(first.stdout, /^testos 1: 2 file\(s\), 586 KiB, signed by Vendor <images@example.org>\n/);
  t.match(first.stdout, 'It is the current version now.');
  t.match(first.stderr, 'vmlinuz: whole and proven\n', 'a line each where there is no terminal');
  t.match((await pull({ version: '2' })).stdout, 'before: 1 (back: tinderbox assets use testos 1)');
  t.match((await pull({ use: false })).stdout, 'To make it that: tinderbox assets use testos 3');
  const again = await pull({ version: '2', json: true });
  t.match(JSON.parse(again.stdout), { version: '2', state: 'present', current: true });
  t.equal(again.stderr, '', 'and nothing else with --json');
});

t.test('the list has versions, sizes, signers and roles, and finds what was changed', async (t) => {
  const { stdout, code } = await run('list');
  t.equal(code, 0);
  t.match(stdout, /^IMAGE +VERSION +ARCH +CURRENT +SIZE +SIGNED BY +USED BY\n/);
  t.match(stdout, /^testos +1 +amd64 +- +586 KiB +Vendor <images@example.org> +old\n/m);
  t.match(stdout, /^testos +2 +amd64 +yes +586 KiB .* +node\n/m);
  t.match(stdout, /^testos +3 +amd64 +- +586 KiB .* +-\n/m);
  t.match((await run('list', '--verify')).stdout, 'testos 3: every file is as it was pulled');
  const path = join(folder, 'assets/testos/3/vmlinuz');
  const good = readFileSync(path);
  await writeFile(path, Buffer.concat([Buffer.from('x'), good.subarray(1)]));
  const verified = await run('list', '--verify', '--json');
  t.equal(verified.code, 1);
  t.match(JSON.parse(verified.stdout), {
    images: [{ problems: [] }, {}, { version: '3', problems: ['vmlinuz was changed'] }],
  });
  await writeFile(path, good);
});

t.test('another version can be used, and a wrong one is refused with what there is', async (t) => {
  t.match((await run('use', 'testos', '3')).stdout, 'testos 3 is the current version now; before: 2.');
  t.equal(readlinkSync(join(folder, 'assets/testos/current')), '3');
  t.match(await run('use', 'testos', '9'), { code: 1, stderr: /There is: 1, 2, 3\./ });
  t.match(await run('use', 'other', '9'), { code: 1, stderr: /There is: testos\./ });
  t.match(await run('use', '../etc', '9'), { code: 1, stderr: /no image/ });
  for (const trust of [['abc'], ['F88C', 'FEDE', 'FF29'], ['G'.repeat(40)]])
    t.match(await run('pull', 'flatcar', '--trust', ...trust), {
      code: 2,
      stderr: /Write all 40 hexadecimal digits of it, without spaces or in quotes/,
    });
  t.match(await run('prune', '--keep', '-1'), { code: 2, stderr: /from 0 to 999/ });
  t.match(await run('use', 'testos'), { code: 2 });
});

t.test('prune keeps what is current, what a role names, and what machines may still fetch', async (t) => {
  const dry = await run('prune', '--keep', '0', '--dry-run');
  t.match(dry.stdout, 'testos 1: stays, role old names it');
  t.match(dry.stdout, /testos 2: stays, it was current a moment ago/);
  t.match(dry.stdout, 'testos 3: stays, current');
  const longAgo = new Date(Date.now() - 7_200_000);
  await utimes(join(folder, 'assets/testos/2'), longAgo, longAgo);
  t.match((await run('prune', '--keep', '1')).stdout, /testos 2: stays, the newest beside the current one/);
  await mkdir(join(folder, 'assets/testos/.pull-9'));
  await writeFile(join(folder, 'assets/testos/.pull-9/vmlinuz.part'), 'x'.repeat(2048));
  const rest = await run('prune', '--keep', '0', '--dry-run', '--json');
  t.match(JSON.parse(rest.stdout), { dryRun: true, bytes: 602_048 });
  t.ok(existsSync(join(folder, 'assets/testos/2')));
  const done = await run('prune', 'testos', '--keep', '0');
  t.match(done.stdout, /testos 2: removed, 586 KiB\ntestos 9 \(unfinished\): removed, 2\.0 KiB\n/);
  t.match(done.stdout, '588 KiB were freed.');
  t.notOk(existsSync(join(folder, 'assets/testos/2')));
  t.notOk(existsSync(join(folder, 'assets/testos/.pull-9')));
  t.ok(existsSync(join(folder, 'assets/testos/1')));
  await writeFile(join(folder, 'profiles/machines.yaml'), 'default: [\n');
  t.match(await run('prune'), { code: 1 }, 'without profiles nobody knows what roles name');
  await writeFile(join(folder, 'profiles/machines.yaml'), 'default: node\n');
});

t.test(
  'prune removes what a first pull left that never came to its end, and no folder of others',
  async (t) => {
    await mkdir(join(folder, 'assets/first/.pull-1'), { recursive: true });
    await mkdir(join(folder, 'assets/by-hand/1'), { recursive: true });
    await writeFile(join(folder, 'assets/first/.pull-1/vmlinuz.part'), 'x'.repeat(2048));
    t.match((await run('prune')).stdout, 'first 1 (unfinished): removed, 2.0 KiB\n');
    t.notOk(existsSync(join(folder, 'assets/first/.pull-1')));
    t.match(await run('prune', 'by-hand'), { code: 1, stderr: /no image by-hand/ });
    t.ok(existsSync(join(folder, 'assets/by-hand/1')));
    t.notMatch((await run('list')).stdout, 'first');
  },
);

t.test('the help lists images and channels, and how each is proven', async (t) => {
  let stdout = '';
  const program = new Command('tinderbox').exitOverride();
  const out = (text: string) => void (stdout += text);
  addAssetsCommand(program, { out, err: out, fail: () => undefined }, [
    vendor,
    { ...vendor, name: 'bareos', keys: [] },
  ]);
  const pullCommand = program.commands[0]?.commands[0];
  pullCommand?.configureOutput({ writeOut: out }).outputHelp();
  t.match(stdout, /testos +an operating system of tests\n +stable, beta; amd64, arm64; signed\n/);
  t.match(stdout, /stable, beta; amd64, arm64; checksum only, over HTTPS\n/);
  t.match(stdout, '$ sudo tinderbox assets pull flatcar');
});

t.test('wrong usage is said with what is right', async (t) => {
  const rows: [readonly string[], RegExp][] = [
    [['pull', 'beos'], /there is no image beos.*\n.*One of: .*flatcar/],
    [['pull', 'flatcar', '--channel', 'weekly'], /no channel weekly.*\n.*stable/],
    [['pull', 'flatcar', '--arch', 'vax'], /Allowed choices/],
    [['pull', 'flatcar', '--mirror', 'ftp://x/'], /no http or https URL/],
    [['pull', 'flatcar', '--parallel', '0'], /1 to 16/],
    [['pull', 'flatcar', '--key', '/nonexistent'], /cannot be read/],
    [['pull', 'flatcar', '--mirror', 'https://me:pw@mirror.example'], /has a user and a password/],
    [['prune', '--keep', 'all'], /Write a number/],
  ];
  for (const [argv, message] of rows)
    t.match(await run(...argv), { code: 2, stderr: message }, argv.join(' '));
});

t.test('the version of an image is an option of its own', async (t) => {
  const { code, stderr } = await run(
    'pull',
    'flatcar',
    '--version',
    '1.2.3',
    '--mirror',
    'http://127.0.0.1:1',
    '--dry-run',
  );
  t.equal(code, 1);
  t.match(stderr, /refuses the connection|not a version|1\.2\.3/);
});

t.test(
  'what root lists of a folder of the service is read with the rights of the service',
  { skip: process.geteuid?.() !== 0 && 'only root may read what others may not' },
  async (t) => {
    const site = await mkdtemp(join(tmpdir(), 'tinderbox-assets-'));
    t.teardown(() => rm(site, { recursive: true, force: true }));
    await chmod(site, 0o755);
    const own = join(site, 'tinderbox.yaml');
    await writeFile(own, 'network: { interface: lo }\n');
    const version = join(site, 'assets/os/1');
    await mkdir(version, { recursive: true });
    const manifest = { image: 'os', vendor: 'os', channel: 'c', version: '1', arch: 'amd64', formats: [] };
    const more = { files: [], signedBy: [], mirror: 'https://example.org', pulledAt: '2026-01-01T00:00:00Z' };
    await writeFile(join(site, 'secret'), JSON.stringify({ ...manifest, ...more }), { mode: 0o600 });
    await symlink('../../../secret', join(version, 'image.json'));
    for (const folder of ['assets', 'assets/os', 'assets/os/1'])
      await chown(join(site, folder), 65_534, 65_534);
    let said = '';
    const code = await runCli(['assets', 'list', '--json', '--config', own], {
      out: (text) => void (said += text),
      err: (text) => void (said += text),
    });
    t.equal(code, 1);
    t.match(said, /EACCES/);
    t.notMatch(said, /"version"/);
  },
);
