import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { loadCatalog } from '../src/catalog/load-catalog.ts';
import type { Config } from '../src/config/port.ts';
import { type Ipv4, parseIpv4 } from '../src/machine/ipv4.ts';
import type { Catalog } from '../src/machine/role.ts';
import { checkRoleAssets } from '../src/preflight-assets.ts';
import { tryRoles } from '../src/preflight-roles.ts';
import { checkRoleTemplates } from '../src/render/check-templates.ts';

const A = '52:54:00:00:00:0a';
const config = { cluster: undefined, syslog: { port: 514 } } as unknown as Config;

async function makeCatalog(machines: string, template: string): Promise<Catalog> {
  const dir = await mkdtemp(join(tmpdir(), 'tinderbox-roles-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  await mkdir(join(dir, 'worker'));
  await writeFile(
    join(dir, 'worker/role.yaml'),
    'boot: { kernel: "/assets/{{parameters.image}}" }\nparameters: { image: vmlinuz, entry: hostname }\n' +
      'config: { format: cloud-config, template: t.hbs }\n',
  );
  await writeFile(join(dir, 'worker/t.hbs'), `#cloud-config\n${template}\n`);
  const options = { generation: 1, checkRole: () => [], machinesText: machines };
  const { catalog, problems } = await loadCatalog(dir, options);
  if (catalog === undefined) throw new Error(JSON.stringify(problems));
  return catalog;
}

const NAME = 'hostname: {{machine.hostname}}';

t.test('what some machine could not be served is an error that names the machine', async (t) => {
  const rows: [string, string, string, RegExp | undefined][] = [
    ['sound', 'default: worker', NAME, undefined],
    ['an unknown key', 'default: worker', 'hostnam: x', /^error: role worker: .*hostnam/],
    [
      'a parameter of a machine',
      `machines:\n  ${A}: { role: worker, parameters: { entry: hostnam } }\ndefault: worker`,
      '{{parameters.entry}}: x',
      new RegExp(
        `^error: role worker for ${A} \\(line 2\\): .*hostnam.*; because of the parameter entry \\(.*machines.yaml:2\\)$`,
      ),
    ],
    [
      'a parameter beside one that is right',
      `machines:\n  ${A}:\n    role: worker\n    parameters:\n      image: vmlinux\n      entry: hostnam\ndefault: worker`,
      '{{parameters.entry}}: x',
      /; because of the parameter entry \(.*machines.yaml:6\)$/,
    ],
    [
      'a template that is wrong whatever the parameter is',
      `machines:\n  ${A}: { role: worker, parameters: { entry: hostname } }`,
      'hostnam: x',
      /^error: (?!.*because)/,
    ],
    [
      'a parameter of a rule',
      'rules: [{ match: { arch: arm64 }, role: worker, parameters: { image: "a b" } }]',
      NAME,
      /^error: role worker for the rule on line 1: /,
    ],
    [
      'a hostname that YAML takes for a number, behind one of the same length that is none',
      `machines:\n  52:54:00:00:00:0b: { role: worker, hostname: abc }\n  ${A}: { role: worker, hostname: "123" }`,
      NAME,
      new RegExp(`^error: role worker for ${A} \\(line 3\\): .*hostname`),
    ],
    [
      'a hostname that is too long for what the template makes of it',
      `machines:\n  ${A}: { role: worker, hostname: ${'n'.repeat(60)} }`,
      'hostname: rack-{{machine.hostname}}',
      /^error: role worker for .*hostname/,
    ],
    ['nobody uses it', 'default: none', 'hostnam: x', /^warning: role worker: .*hostnam/],
  ];
  for (const [name, machines, template, wanted] of rows) {
    const { problems, rendered } = tryRoles(config, await makeCatalog(`${machines}\n`, template));
    const said = problems.map(({ severity, message }) => `${severity}: ${message}`).join('\n');
    if (wanted === undefined) t.equal(said, '', name);
    else t.match(said, wanted, name);
    t.equal(problems.length, wanted === undefined ? 0 : 1, name);
    if (wanted === undefined) t.match(rendered, [{ used: true, files: { kernel: '/assets/vmlinuz' } }]);
  }
});

t.test('roles that load no kernel are sound without one, whoever gets them', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'tinderbox-roles-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  for (const name of ['local', 'hold']) {
    await mkdir(join(dir, name));
    await writeFile(join(dir, name, 'role.yaml'), `boot: ${name}\n`);
  }
  const machinesText = `machines:\n  ${A}: { role: local }\ndefault: hold\n`;
  const { catalog } = await loadCatalog(dir, { generation: 1, checkRole: checkRoleTemplates, machinesText });
  if (catalog === undefined) throw new Error('it is sound');
  const { rendered, problems } = tryRoles(config, catalog);
  t.same(problems, []);
  t.match(rendered, [
    { role: { name: 'hold' }, used: true, files: undefined },
    { role: { name: 'local' }, used: true, files: undefined },
  ]);
  const paths = { assets: join(dir, 'nothing') };
  t.same(await checkRoleAssets({ paths } as Config, rendered), [], 'nothing is looked for in assets');
});

function rack(count: number, more: (index: number) => string): string {
  const entries = Array.from({ length: count }, (_, index) => {
    const digits = index
      .toString(16)
      .padStart(6, '0')
      .replaceAll(/..(?=.)/g, '$&:');
    return `  52:54:00:${digits}: { role: worker${more(index)} }\n`;
  });
  return `machines:\n${entries.join('')}`;
}

t.test('ten thousand machines cost no more tries than they differ in', async (t) => {
  const alike = await makeCatalog(
    rack(10_000, (index) => `, hostname: rack${index}`),
    NAME,
  );
  // One to five digits, MACs with and without letters.
  t.ok(tryRoles(config, alike).rendered.length <= 10);
  const catalog = await makeCatalog(
    rack(2_000, (index) => `, parameters: { entry: k${index} }`),
    NAME,
  );
  const { rendered, problems } = tryRoles(config, catalog);
  t.equal(rendered.length, 500);
  t.match(problems, [{ severity: 'warning', message: /only the first 500 of 2000/ }]);
});

t.test('the roles that ship trouble nobody who does not use them, with a cluster or without', async (t) => {
  const folder = join(import.meta.dirname, '../profiles');
  const { catalog } = await loadCatalog(folder, { generation: 1, checkRole: checkRoleTemplates });
  if (catalog === undefined) throw new Error('the profiles are broken');
  t.strictSame(tryRoles(config, catalog).problems, []);

  // Used without one, a controller cannot do.
  const given = { role: 'controller', parameters: {}, match: {}, line: 3 };
  const { problems } = tryRoles(config, { ...catalog, rules: [given] });
  t.match(problems, [{ severity: 'error', message: /tinderbox\.yaml has no `cluster:` block/ }]);
});

t.test('roles that ship, and that nobody uses yet, are nothing to warn of', async (t) => {
  const address = parseIpv4('10.77.0.1') as Ipv4;
  const cluster = {
    name: 'kubernetes',
    apiServer: 'https://10.77.0.1:6443',
    podNetwork: '10.2.0.0/16',
    serviceNetwork: '10.3.0.0/24',
    dnsServiceIP: '10.3.0.10',
    dnsDomain: 'cluster.local',
    etcd: [],
  };
  const shipped = join(import.meta.dirname, '../profiles');
  const options = { generation: 1, checkRole: checkRoleTemplates, machinesText: 'default: worker\n' };
  const { catalog } = await loadCatalog(shipped, options);
  if (catalog === undefined) throw new Error('the shipped profiles are broken');
  for (const controllers of [[], [{ hostname: 'master-0', address }]]) {
    const site = { cluster: { ...cluster, controllers }, syslog: {} } as unknown as Config;
    const { problems, rendered } = tryRoles(site, catalog);
    t.same(problems, []);
    t.equal(rendered.length, catalog.roles.size);
  }
});

t.test('every file of a role is tried out, without the keys that none but the main one gets', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'tinderbox-roles-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  await mkdir(join(dir, 'live'));
  const keys = '{{#each identity.certificates}}{{required key "a key"}}{{/each}}';
  const rows: [string, string, RegExp | undefined][] = [
    ['#cloud-config\npackages: [vim]\n', 'dsmode=net;s={{configUrl}}', undefined],
    [
      '#cloud-config\npackges: [vim]\n',
      'dsmode=net;s={{configUrl}}',
      /^error: role live: cloud-init knows no key `packges`/,
    ],
    [`#cloud-config\npackages: ["${keys}"]\n`, 'dsmode=net;s={{configUrl}}', /^error: role live: .*a key/],
    [
      '#cloud-config\npackages: [vim]\n',
      's={{configUrl}}',
      /^warning: role live: cloud-init 22\.4 fetches what/,
    ],
  ];
  const cluster = {
    name: 'c',
    apiServer: 'https://10.0.0.1:6443',
    podNetwork: '10.2.0.0/16',
    serviceNetwork: '10.3.0.0/24',
    dnsServiceIP: '10.3.0.10',
    dnsDomain: 'cluster.local',
    controllers: [],
    etcd: [],
  };
  for (const [vendorData, argument, wanted] of rows) {
    await writeFile(
      join(dir, 'live/role.yaml'),
      `boot: { kernel: /assets/vmlinuz, cmdline: ['ds=nocloud;${argument}'] }\nidentity: worker\n` +
        'credentials: { delivery: issued }\n' +
        'config: { format: nocloud, template: u.hbs, files: { vendor-data: v.hbs } }\n',
    );
    await writeFile(join(dir, 'live/u.hbs'), '#cloud-config\nfinal_message: hello\n');
    await writeFile(join(dir, 'live/v.hbs'), vendorData);
    const options = { generation: 1, checkRole: () => [], machinesText: 'default: live\n' };
    const { catalog, problems: found } = await loadCatalog(dir, options);
    if (catalog === undefined) throw new Error(JSON.stringify(found));
    const { problems } = tryRoles({ ...config, cluster }, catalog);
    const said = problems.map(({ severity, message }) => `${severity}: ${message}`);
    if (wanted === undefined) t.strictSame(said, []);
    else t.match(said, [wanted]);
  }
});

t.test('what GRUB cannot boot is said of a role whose loader leads to one', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'tinderbox-roles-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  await mkdir(join(dir, 'worker'));
  const rows: [string, string, RegExp | undefined][] = [
    ['secureBoot: true', 'quiet', undefined],
    [
      'secureBoot: true',
      `'dyndbg="file a.c +p"'`,
      /^warning: role worker has the loader shim.*cannot boot it: .*backslash/,
    ],
    ['loaders: { uefi-arm64: grubaa64.efi }', "'a=${net0/mac}'", /^warning: .*grubaa64\.efi, and GRUB.*iPXE/],
    ['loaders: { uefi-x64: ipxe.efi }', `'dyndbg="file a.c +p"'`, undefined],
  ];
  for (const [loaders, argument, wanted] of rows) {
    const text = `boot: { kernel: /assets/vmlinuz, cmdline: [${argument}] }\n${loaders}\n`;
    await writeFile(join(dir, 'worker/role.yaml'), text);
    const options = { generation: 1, checkRole: () => [], machinesText: 'default: worker\n' };
    const { catalog, problems: found } = await loadCatalog(dir, options);
    if (catalog === undefined) throw new Error(JSON.stringify(found));
    const said = tryRoles(config, catalog).problems.map(({ severity, message }) => `${severity}: ${message}`);
    if (wanted === undefined) t.strictSame(said, [], text);
    else t.match(said, [wanted], text);
  }
});
