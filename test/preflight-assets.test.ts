import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import type { Config } from '../src/config/port.ts';
import { checkRoleAssets } from '../src/preflight-assets.ts';
import type { TriedRole } from '../src/preflight-roles.ts';
import { testRole } from './http/start-test-server.ts';

const folder = await mkdtemp(join(tmpdir(), 'tinderbox-assets-'));
t.teardown(() => rm(folder, { recursive: true, force: true }));
const assets = join(folder, 'assets');
await mkdir(join(assets, 'sub/.git'), { recursive: true });
await mkdir(join(folder, 'outside'));
for (const name of [
  'outside/vmlinuz',
  'assets/vmlinuz',
  'assets/sub/.hidden',
  'assets/sub/.git/vmlinuz',
  'top',
]) {
  await writeFile(join(folder, name), 'bytes');
}
await writeFile(join(assets, 'empty'), '');
await symlink(join(folder, 'outside'), join(assets, 'link'));
await symlink('vmlinuz', join(assets, 'current'));
const config = { paths: { assets }, assets: { mirrors: [] } } as unknown as Config;

function tried(kernel: string, used = true): TriedRole {
  return { role: testRole(), files: { kernel, initrd: [], cmdline: [] }, used };
}

t.test('an asset is whole only if the HTTP server would serve it', async (t) => {
  const rows: [string, RegExp | undefined][] = [
    ['/assets/vmlinuz', undefined],
    ['/assets/current', undefined],
    ['/assets/current?version=1', undefined],
    ['http://elsewhere/vmlinuz', undefined],
    ['/assets/none', /no such file/],
    ['/assets/sub', /no regular file/],
    ['/assets/empty', /empty/],
    ['/assets/link/vmlinuz', /leads out of the assets folder/],
    ['/assets/sub/.hidden', /starts with a dot/],
    ['/assets/sub/.git/vmlinuz', /starts with a dot/],
    ['/assets/../top', /starts with a dot/],
    ['/assets/%2e%2e/top', /starts with a dot/],
    ['/assets//vmlinuz', /empty part/],
    ['/assets/%zz', /percent encoding/],
    ['/vmlinuz', /not under \/assets\//],
  ];
  for (const [path, wanted] of rows) {
    const problems = await checkRoleAssets(config, [tried(path), tried(path)]);
    if (wanted === undefined) t.same(problems, [], path);
    else t.match(problems, [{ severity: 'error', message: wanted, remedy: /./ }], path);
    t.equal(problems.length, wanted === undefined ? 0 : 1, path);
  }
  t.match(await checkRoleAssets(config, [tried('/assets/none', false)]), [{ severity: 'warning' }]);
});

t.test("what is missing of a vendor's image can be pulled, and the remedy says how", async (t) => {
  const rows = {
    '/assets/flatcar/vmlinuz': 'tinderbox assets pull flatcar, or by hand: Put it at',
    '/assets/flatcar/4230.2.0/vmlinuz':
      'tinderbox assets pull flatcar --version 4230.2.0, or by hand: Put it at',
    '/assets/flatcar-arm64/vmlinuz': 'tinderbox assets pull flatcar --arch arm64, or by hand: Put it at',
    '/assets/flatcar': 'Put it at',
    '/assets/mine/flatcar/vmlinuz': 'Put it at',
    '/assets/debian/a/b/c': 'Put it at',
  };
  for (const [path, remedy] of Object.entries(rows)) {
    const [problem] = await checkRoleAssets(config, [tried(path)]);
    t.equal(problem?.remedy?.startsWith(remedy), true, `${path}: ${problem?.remedy}`);
  }
});

t.test('what only unused roles want is said once for each file, and not beside its error', async (t) => {
  const other = {
    ...tried('/assets/none', false),
    role: { ...testRole(), name: 'other', file: 'other/role.yaml' },
  };
  t.match(await checkRoleAssets(config, [tried('/assets/none', false), other]), [
    { severity: 'warning', message: /no such file .*\(wanted by .*, other, used by no machine\)$/ },
  ]);
  t.equal((await checkRoleAssets(config, [tried('/assets/none', false), other])).length, 1);
  t.match(await checkRoleAssets(config, [other, tried('/assets/none')]), [{ severity: 'error' }]);
  t.equal((await checkRoleAssets(config, [other, tried('/assets/none')])).length, 1);
});

const named = (name: string, path: string): TriedRole => ({
  ...tried(path, false),
  role: { ...testRole(), name },
});

t.test('what unused roles want is one warning for all, which names them', async (t) => {
  const roles = [named('zeta', '/assets/none'), named('alpha', '/assets/neither')];
  t.match(await checkRoleAssets(config, roles), [
    {
      severity: 'warning',
      message:
        '2 assets cannot be served, /assets/none the first, of roles that no machine uses: alpha, zeta',
      remedy: /assets pull/,
    },
  ]);
  t.equal((await checkRoleAssets(config, roles)).length, 1);
});

t.test('an asset that this user may not read is said', async (t) => {
  await chmod(folder, 0o755);
  await writeFile(join(assets, 'secret'), 'bytes', { mode: 0o600 });
  const script = `
    import { checkRoleAssets } from ${JSON.stringify(join(import.meta.dirname, '../src/preflight-assets.ts'))};
    const role = { role: { file: 'role.yaml', boot: { kind: 'kernel', kernel: { line: 1 }, initrd: [] } }, used: true };
    const files = { kernel: '/assets/secret', initrd: [] };
    console.log(JSON.stringify(await checkRoleAssets({ paths: { assets: ${JSON.stringify(assets)} }, assets: { mirrors: [] } }, [{ ...role, files }])));`;
  // Root may read everything.
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    uid: 65_534,
    gid: 65_534,
    env: {},
    cwd: '/',
  });
  t.match(JSON.parse(stdout), [{ severity: 'error', message: /secret may not be read/, remedy: /chmod/ }]);
});

t.test(
  'what is fetched when it is asked for may be missing, but no other path than those of files',
  async (t) => {
    const pullThrough = { from: 'http://10.77.0.1', maxBytes: 1, freshFor: 1, fetches: 1, line: 1 };
    const pulling = { ...config, assets: { mirrors: [], pullThrough } };
    t.same(await checkRoleAssets(pulling, [tried('/assets/none')]), []);
    t.match(await checkRoleAssets(pulling, [tried('/assets/../none')]), [{ severity: 'error' }]);
  },
);
