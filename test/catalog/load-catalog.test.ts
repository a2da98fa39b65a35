import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { loadCatalog } from '../../src/catalog/load-catalog.ts';
import { normaliseMacPattern } from '../../src/catalog/normalise-mac-pattern.ts';
import { formatProblem } from '../../src/errors.ts';
import { formatIpv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { checkRoleTemplates } from '../../src/render/check-templates.ts';
import { kernelBootOf } from '../support/kernel-boot.ts';

const FIXTURE = join(import.meta.dirname, '../fixtures/profiles');
const noCheck = () => [];
const load = (dir: string) => loadCatalog(dir, { generation: 1, checkRole: noCheck });

/** A folder with a role `worker`, and these files over it; null removes one. */
async function profiles(t: Test, files: Record<string, string | Uint8Array | null>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'tb-catalog-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const base = {
    'machines.yaml': 'default: worker\n',
    'worker/role.yaml': 'boot: { kernel: /assets/k }\nconfig: { format: cloud-config, template: c.hbs }\n',
    'worker/c.hbs': '#cloud-config\n',
  };
  for (const [name, content] of Object.entries({ ...base, ...files })) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    if (content !== null) await writeFile(join(dir, name), content);
  }
  return dir;
}

t.test('a sound folder becomes a catalog', async (t) => {
  const { catalog, problems } = await loadCatalog(FIXTURE, { generation: 7, checkRole: noCheck });
  t.same(problems, []);
  t.equal(catalog?.generation, 7);
  t.equal(catalog?.defaultRole, 'worker');
  t.same([...(catalog?.roles.keys() ?? [])], ['controller', 'worker']);
  t.same(
    [...(catalog?.machines.values() ?? [])].map((entry) => [
      entry.mac,
      entry.role,
      entry.hostname,
      entry.address && formatIpv4(entry.address),
      entry.line,
    ]),
    [
      ['52:54:00:12:34:56', 'controller', 'master-1', '10.77.0.10', 4],
      ['52:54:00:ab:cd:ef', undefined, 'node-7', undefined, 5],
      ['52:54:00:00:00:01', undefined, undefined, undefined, 8],
    ],
  );
  t.same(
    [...(catalog?.hostnames ?? [])],
    [
      ['master-1', '52:54:00:12:34:56'],
      ['node-7', '52:54:00:ab:cd:ef'],
    ],
  );
  t.same(catalog?.machines.get('52:54:00:ab:cd:ef' as Mac)?.parameters, { disk: '/dev/vdb' });
  t.match(catalog?.rules, [
    { match: { arch: 'arm64' }, role: 'worker', parameters: { image: 'flatcar-arm64' }, line: 11 },
    { match: { mac: '52:54:00*', subnet: { prefix: 24 } }, role: 'controller', max: 3, line: 12 },
  ]);
  const worker = catalog?.roles.get('worker');
  const file = join(FIXTURE, 'worker/role.yaml');
  t.same(kernelBootOf(worker)?.kernel, { file, text: '/assets/{{parameters.image}}/vmlinuz', line: 3 });
  t.same(
    kernelBootOf(worker)?.cmdline.map((source) => [source.text, source.line]),
    [
      ['quiet', 7],
      ['cloud-config-url={{configUrl}}\n', 9],
    ],
  );
  t.match(worker?.config?.template, { file: join(FIXTURE, 'worker/cloud-config.yaml.hbs'), line: 1 });
  t.equal(catalog?.roles.get('controller')?.config?.template.file, join(FIXTURE, 'partials/shared.yaml.hbs'));
  t.equal(catalog?.roles.get('controller')?.identity, 'none');
});

t.test('the roles that ship are sound, with their templates', async (t) => {
  const shipped = join(import.meta.dirname, '../../profiles');
  const { catalog, problems } = await loadCatalog(shipped, { generation: 1, checkRole: checkRoleTemplates });
  t.same(problems.map(formatProblem), []);
  t.ok(catalog?.roles.has('worker'));
});

t.test('an empty machines.yaml knows nobody', async (t) => {
  const { catalog } = await load(await profiles(t, { 'machines.yaml': 'machines:\nrules:\n' }));
  t.same([catalog?.machines.size, catalog?.rules, catalog?.defaultRole], [0, [], null]);
  const empty = await load(await profiles(t, { 'machines.yaml': '' }));
  t.equal(empty.catalog?.machines.size, 0);
});

const machines = (text: string) => ({ 'machines.yaml': text });
const role = (text: string) => ({ 'worker/role.yaml': text });
const config = (name: string) =>
  role(`boot: { kernel: k }\nconfig: { format: cloud-config, template: ${name} }\n`);
const A = '52:54:00:00:00:0a';

t.test('bad files say where, what is wrong and what is allowed', async (t) => {
  const table: readonly [string, Record<string, string | Uint8Array | null>, readonly string[]][] = [
    [
      'a machine twice',
      machines(`machines:\n  ${A}: {}\n  52-54-00-00-00-0A: {}\n`),
      [`machines.yaml:3:3: the machine 52-54-00-00-00-0A is there twice; first on line 2 as ${A}`],
    ],
    [
      'a key twice',
      machines(`machines:\n  ${A}: {}\n  ${A}: {}\n`),
      [`machines.yaml:3:3: the key "${A}" is there twice; first on line 2`],
    ],
    [
      'no MAC',
      machines('machines:\n  52:54:00:00:00: {}\n'),
      [
        'machines.yaml:2:3: a key of "machines": expected a MAC such as 52:54:00:12:34:56; got "52:54:00:00:00"',
      ],
    ],
    [
      'an unknown role',
      machines(`machines:\n  ${A}: { role: wroker }\n`),
      ['machines.yaml:2:30: there is no role "wroker"; did you mean "worker"? roles: worker'],
    ],
    [
      'an unknown default',
      machines('default: master\n'),
      ['machines.yaml:1:10: there is no role "master"; roles: worker'],
    ],
    [
      'an unknown role of a rule',
      machines('rules: [{ match: { arch: arm64 }, role: x }]\n'),
      ['machines.yaml:1:41: there is no role "x"; roles: worker'],
    ],
    [
      'a rule that admits nobody',
      machines('rules: [{ match: {}, role: worker, max: 0 }]\n'),
      ['machines.yaml:1:41: "rules[0].max": expected a whole number from 1 to 100000; got the number 0'],
    ],
    [
      'a rule that admits half a machine',
      machines('rules: [{ match: {}, role: worker, max: 1.5 }]\n'),
      ['machines.yaml:1:41: "rules[0].max": expected a whole number from 1 to 100000; got the number 1.5'],
    ],
    [
      'a rule without match',
      machines('rules:\n  - role: worker\n'),
      [
        'machines.yaml:2:5: "rules[0]": the key "match" is missing; expected a map with the keys mac, uuid, arch, relay, subnet, serial, asset, manufacturer, product, labels',
      ],
    ],
    [
      'a host name',
      machines(`machines:\n  ${A}: { hostname: node_1 }\n`),
      [
        `machines.yaml:2:34: "machines['${A}'].hostname": expected a host name of letters, digits and inner hyphens (RFC 1123), without a domain; got "node_1"`,
      ],
    ],
    [
      'a host name with a domain',
      machines(`machines:\n  ${A}: { hostname: n1.example }\n`),
      [
        `machines.yaml:2:34: "machines['${A}'].hostname": expected a host name of letters, digits and inner hyphens (RFC 1123), without a domain; got "n1.example"`,
      ],
    ],
    [
      'a host name twice',
      machines(`machines:\n  ${A}: { hostname: n1 }\n  52:54:00:00:00:0b: { hostname: N1 }\n`),
      [`machines.yaml:3:34: the host name n1 is given twice: ${A} (line 2) and 52:54:00:00:00:0b (line 3)`],
    ],
    [
      'an address twice',
      machines(`machines:\n  ${A}: { address: 10.0.0.1 }\n  52:54:00:00:00:0b: { address: 10.0.0.1 }\n`),
      [
        `machines.yaml:3:33: the address 10.0.0.1 is given twice: ${A} (line 2) and 52:54:00:00:00:0b (line 3)`,
      ],
    ],
    [
      'an address of no machine',
      machines(`machines:\n  ${A}: { address: 224.0.0.1 }\n`),
      ['machines.yaml:2:33: 224.0.0.1 is a multicast address'],
    ],
    [
      'a pattern that is no MAC',
      machines('rules: [{ match: { mac: "gg:*" }, role: worker }]\n'),
      [
        'machines.yaml:1:25: "gg:*" is neither a MAC such as 52:54:00:12:34:56 nor a pattern such as 52:54:00:*',
      ],
    ],
    [
      'a subnet with host bits',
      machines('rules: [{ match: { subnet: 10.0.0.1/24 }, role: worker }]\n'),
      ['machines.yaml:1:28: 10.0.0.1/24 is an address within a network, not a network'],
    ],
    [
      'machines.yaml gone',
      { 'machines.yaml': null },
      ['machines.yaml: there is no such file | Create it; it may be empty.'],
    ],
    [
      'machines.yaml not text',
      { 'machines.yaml': Uint8Array.of(0x23, 0xff) },
      ['machines.yaml:1:2: a byte that is not UTF-8 | Save the file as UTF-8 text.'],
    ],
    [
      'a role without boot',
      role('description: x\n'),
      [
        'worker/role.yaml:1:1: the file: the key "boot" is missing; expected a map with the keys kernel, initrd, cmdline, handsOver, or a map with the keys menu, or one of local, hold',
      ],
    ],
    ['an empty role', role(''), ['worker/role.yaml:1:1: the file is empty; it needs: boot']],
    [
      'a slip in a role',
      role('boot: { kernl: x }\n'),
      [
        'worker/role.yaml:1:9: unknown key "kernl" in "boot"; did you mean "kernel"? allowed: kernel, initrd, cmdline, handsOver',
        'worker/role.yaml:1:7: "boot": the key "kernel" is missing; expected text that is not empty',
      ],
    ],
    [
      'a template that is not there',
      config('nope.hbs'),
      [
        'worker/role.yaml:2:43: the template "nope.hbs": there is no such file | Looked for DIR/worker/nope.hbs.',
      ],
    ],
    [
      'a template outside',
      config('../../etc/passwd'),
      [
        'worker/role.yaml:2:43: the template "../../etc/passwd" is outside of the role\'s folder and of partials | Move it into DIR/worker.',
      ],
    ],
    [
      'an absolute template',
      config('/etc/passwd'),
      [
        'worker/role.yaml:2:43: the template "/etc/passwd" is outside of the role\'s folder and of partials | Move it into DIR/worker.',
      ],
    ],
    [
      'an empty template',
      { 'worker/c.hbs': ' \n' },
      ['worker/role.yaml:2:43: the template "c.hbs" is empty'],
    ],
    [
      'a binary template',
      { 'worker/c.hbs': Uint8Array.of(0x61, 0) },
      ['worker/role.yaml:2:43: the template "c.hbs": line 1: a zero byte: the file is not text'],
    ],
    [
      'a folder as a template',
      config('.'),
      [
        'worker/role.yaml:2:43: the template "." is outside of the role\'s folder and of partials | Move it into DIR/worker.',
      ],
    ],
    [
      'the name of a role',
      { 'Big Role/role.yaml': 'boot: { kernel: k }\n' },
      [
        'Big Role: "Big Role" cannot be the name of a role: lower-case letters, digits and hyphens, and not "none" | Rename the folder.',
      ],
    ],
    [
      'a folder that is no role',
      { 'notes/x.txt': 'x' },
      ['notes: the folder has no role.yaml: it is no role'],
    ],
    [
      'a role that is broken is not unknown too',
      role('boot: 1\n'),
      [
        'worker/role.yaml:1:7: "boot": expected a map with the keys kernel, initrd, cmdline, handsOver, or a map with the keys menu, or one of local, hold; got the number 1',
      ],
    ],
    [
      'a rule that never matches',
      machines(
        'rules:\n  - { match: { arch: arm64, serial: a* }, role: worker }\n  - { match: { serial: A*, arch: arm64, product: x }, role: worker }\n  - { match: {}, role: worker }\n  - { match: { arch: x86 }, role: worker }\n',
      ),
      [
        'machines.yaml:3:5: this rule never matches: the rule on line 2 takes all of its machines first',
        'machines.yaml:5:5: this rule never matches: the rule on line 4 takes all of its machines first',
      ],
    ],
  ];
  for (const [name, files, expected] of table) {
    const dir = await profiles(t, files);
    if (files['machines.yaml'] === null) await rm(join(dir, 'machines.yaml'), { force: true });
    const { catalog, problems } = await load(dir);
    const lines = problems.map((problem) =>
      formatProblem(problem)
        .replace(`${dir}/`, '')
        .replaceAll(dir, 'DIR')
        .replace(/\n {4}/, ' | '),
    );
    t.same(lines, expected, name);
    t.equal(
      catalog === undefined,
      problems.some((problem) => problem.severity === 'error'),
      `${name}: errors, and only they, refuse`,
    );
  }
});

t.test('a template is not followed out of the folder, nor is a pipe waited for', async (t) => {
  const dir = await profiles(t, {});
  await unlink(join(dir, 'worker/c.hbs'));
  await symlink('/etc/passwd', join(dir, 'worker/c.hbs'));
  t.match((await load(dir)).problems, [{ message: /outside of the role's folder/ }]);
  await unlink(join(dir, 'worker/c.hbs'));
  await mkdir(join(dir, 'partials'));
  await writeFile(join(dir, 'partials/p.hbs'), 'x');
  await symlink('../partials/p.hbs', join(dir, 'worker/c.hbs'));
  t.same((await load(dir)).problems, []);
  await unlink(join(dir, 'machines.yaml'));
  execFileSync('mkfifo', [join(dir, 'machines.yaml')]);
  t.match((await load(dir)).problems, [{ message: 'this is no regular file' }]);
  t.match((await load(join(dir, 'nothing'))).problems, [
    { message: 'there is no such folder', file: join(dir, 'nothing') },
  ]);
});

t.test('what the render layer and the daemon find refuses the catalog too', async (t) => {
  const dir = await profiles(t, {});
  const problem = { severity: 'error', message: 'no' } as const;
  const byRole = await loadCatalog(dir, {
    generation: 1,
    checkRole: (role) => (role.name === 'worker' ? [problem] : []),
  });
  t.same([byRole.catalog, byRole.problems], [undefined, [problem]]);
  const whole = await loadCatalog(dir, { generation: 1, checkRole: noCheck, checkCatalog: () => [problem] });
  t.same([whole.catalog, whole.problems], [undefined, [problem]]);
});

t.test("a role's loaders: secureBoot is short for the shims, and one architecture has one", async (t) => {
  const boot = 'boot: { kernel: /assets/k }\n';
  const loadersOf = async (more: string) => {
    const dir = await profiles(t, { 'worker/role.yaml': `${boot}${more}` });
    const { catalog, problems } = await load(dir);
    return {
      loaders:
        catalog === undefined ? undefined : Object.fromEntries(catalog.roles.get('worker')?.loaders ?? []),
      problems: problems.map((problem) => formatProblem(problem).replace(dir, '')),
    };
  };
  t.same((await loadersOf('')).loaders, {});
  t.match((await loadersOf('secureBoot: true\nloaders: { bios: x.pxe }\n')).loaders, {
    bios: 'x.pxe',
    'uefi-x64': 'shimx64.efi',
    'uefi-arm64': 'shimaa64.efi',
  });
  t.match((await loadersOf('secureBoot: true\nloaders: { uefi-x64: snponly.efi }\n')).problems, [
    '/worker/role.yaml:3:12: two loaders claim uefi-x64: snponly.efi, and by secureBoot shimx64.efi',
  ]);
  t.match((await loadersOf('loaders: { uefi-x64: ../x }\n')).problems, [/expected a file name/]);
});

t.test('a loader that depends on what DHCP does not know refuses the catalog', async (t) => {
  const dir = await profiles(t, {
    'machines.yaml': "rules:\n  - { match: { serial: 'CZ*' }, role: secure }\ndefault: worker\n",
    'secure/role.yaml': 'boot: { kernel: /assets/k }\nsecureBoot: true\n',
  });
  const { catalog, problems } = await load(dir);
  t.equal(catalog, undefined);
  t.match(problems, [{ severity: 'error', line: 2, message: /not known in DHCP/, remedy: /entries by MAC/ }]);
});

t.test('MAC patterns compare with the one spelling of MACs', (t) => {
  const table: [string, string | undefined][] = [
    ['52-54-00-AB-CD-EF', '52:54:00:ab:cd:ef'],
    ['5254.00*', '52:54:00*'],
    ['52:54:00:*', '52:54:00*'],
    ['525400a*', '52:54:00:a*'],
    ['*cdef', '*cd:ef'],
    ['*:CD:EF', '*cd:ef'],
    ['52-*-ef', '52:*:ef'],
    ['*', '*'],
    ['52:54', undefined],
    ['zz*', undefined],
    ['5254.*.00', undefined],
    ['1234567890abcd*', undefined],
  ];
  for (const [text, expected] of table) t.equal(normaliseMacPattern(text), expected, text);
  t.end();
});
