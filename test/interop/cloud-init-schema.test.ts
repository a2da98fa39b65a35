import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import type { Role, TemplateSource } from '../../src/machine/role.ts';
import { checkUserData } from '../../src/render/check-user-data.ts';
import { renderConfig } from '../../src/render/render-config.ts';
import { bootPlan, startTestServer, testRole } from '../http/start-test-server.ts';
import { contextOf, readShippedRole } from '../render/read-shipped-role.ts';

const hasCloudInit = spawnSync('cloud-init', ['--version']).status === 0;
const skip = hasCloudInit ? false : 'cloud-init is not installed';
const ASK = join(import.meta.dirname, 'support/ask-cloud-init.py');
const ROOT = join(import.meta.dirname, '../..');

interface Said {
  readonly sound: readonly boolean[];
  readonly types: readonly (readonly string[])[];
  readonly networks: readonly boolean[];
  readonly fetched: {
    readonly found: boolean;
    readonly dsmode: string;
    readonly metaData: Readonly<Record<string, unknown>>;
    readonly userData: string;
    readonly vendorData: string;
  } | null;
}

function askCloudInit(given: object): Promise<Said> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      '/usr/bin/python3',
      [ASK],
      { maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error !== null) return reject(new Error(stderr, { cause: error }));
        resolve(JSON.parse(stdout) as Said);
      },
    );
    child.stdin?.end(JSON.stringify(given));
  });
}

const HEAD = '#cloud-config\n';
const source = (text: string): TemplateSource => ({ file: 'x.hbs', text, line: 1 });

t.test('what cloud-init refuses is refused before it is served', { skip }, async (t) => {
  const bad: readonly string[] = [
    HEAD,
    `${HEAD}- a\n`,
    `${HEAD}hostname: [\n`,
    `${HEAD}hostname: 12\n`,
    `${HEAD}packages: vim\n`,
    `${HEAD}package_update: "maybe"\n`,
    `${HEAD}runcmd: ls\n`,
    `${HEAD}runcmd:\n  - echo a: b\n`,
    `${HEAD}bootcmd:\n  - [sleep, 5]\n`,
    `${HEAD}write_files:\n  - content: a\n`,
    `${HEAD}write_files:\n  - {path: /a, contents: b}\n`,
    `${HEAD}write_files:\n  - {path: /a, permissions: 0644}\n`,
    `${HEAD}ssh_authorized_keys: ssh-ed25519 AAAA\n`,
    `${HEAD}autoinstall: {identity: {hostname: a}}\n`,
    `${HEAD}apt: []\n`,
    'hostname: a\n',
    '# cloud-config\nhostname: a\n',
  ];
  const { sound } = await askCloudInit({ configs: bad });
  for (const [index, text] of bad.entries()) {
    t.equal(sound[index], false, `cloud-init: ${JSON.stringify(text)}`);
    t.not(checkUserData(text, 'u').length, 0, `here: ${JSON.stringify(text)}`);
  }
});

t.test('what is served is what cloud-init takes, and it knows what it is', { skip }, async (t) => {
  const good: readonly string[] = [
    `${HEAD}hostname: a\nfqdn: a.example\nmanage_etc_hosts: localhost\n`,
    `${HEAD}users:\n  - default\n  - {name: joe, groups: [sudo], ssh_authorized_keys: [ssh-ed25519 AAAA]}\n`,
    `${HEAD}runcmd:\n  - [ls, -l]\n  - "echo a: b"\nbootcmd: [ls]\n`,
    `${HEAD}write_files:\n  - {path: /a, content: b, permissions: "0644", owner: "root:root", append: true, defer: true}\n`,
    `${HEAD}packages: [vim, [git, "1"]]\npackage_update: true\ntimezone: UTC\nlocale: C.UTF-8\n`,
    `${HEAD}disk_setup: {/dev/sda: {table_type: gpt, layout: true}}\nfs_setup: [{device: /dev/sda1, filesystem: ext4}]\nmounts: [[/dev/sda1, /srv]]\n`,
    `${HEAD}autoinstall: {version: 1, identity: {hostname: a, username: b, password: c}}\n`,
    `${HEAD}chpasswd: {expire: false, users: [{name: root, type: text, password: x}]}\nssh_pwauth: true\n`,
    `${HEAD}power_state: {mode: reboot}\nfinal_message: done\nntp: {servers: [10.0.0.1]}\n`,
  ];
  const others: readonly (readonly [string, string])[] = [
    ['#!/bin/sh\nexit 0\n', 'text/x-shellscript'],
    ['#cloud-boothook\n#!/bin/sh\n', 'text/cloud-boothook'],
    ['#part-handler\ndef list_types(): return []\n', 'text/part-handler'],
    ['## template: jinja\n#cloud-config\nhostname: {{ v1.instance_id }}\n', 'text/jinja2'],
    [`${HEAD}hostname: a\n`, 'text/cloud-config'],
    ['#cloud-config-archive\n- {type: text/x-shellscript, content: "#!/bin/sh"}\n', 'text/x-shellscript'],
    [
      'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="XX"\n\n--XX\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n--XX--\n',
      'text/x-shellscript',
    ],
  ];
  const said = await askCloudInit({ configs: good, userData: others.map(([text]) => text) });
  for (const [index, text] of good.entries()) {
    t.equal(said.sound[index], true, `cloud-init: ${JSON.stringify(text)}`);
    t.strictSame(checkUserData(text, 'u'), [], `here: ${JSON.stringify(text)}`);
  }
  for (const [index, [text, type]] of others.entries()) {
    t.strictSame(said.types[index], [type], JSON.stringify(text));
    t.strictSame(checkUserData(text, 'u'), [], `here: ${JSON.stringify(text)}`);
  }
});

t.test(
  'every key that is taken here is one of the schema of cloud-init, or of a later one',
  { skip },
  async (t) => {
    const { CLOUD_INIT_KEYS } = await import('../../src/render/cloud-init-keys.ts');
    const schemas = '/usr/lib/python3/dist-packages/cloudinit/config/schemas';
    const file = join(schemas, 'schema-cloud-config-v1.json');
    const schema = JSON.parse(readFileSync(file, 'utf8')) as {
      readonly $defs: Readonly<Record<string, { readonly properties?: object }>>;
      readonly allOf: readonly { readonly $ref: string }[];
    };
    const theirs = schema.allOf.flatMap(({ $ref }) =>
      Object.keys(schema.$defs[$ref.split('/').at(-1) ?? '']?.properties ?? {}),
    );
    t.ok(theirs.length > 80);
    t.strictSame(
      theirs.filter((key) => !CLOUD_INIT_KEYS.has(key)),
      [],
      'none of theirs is refused',
    );
  },
);

t.test('what the roles that ship as nocloud render is sound to cloud-init', { skip }, async (t) => {
  const configs: string[] = [];
  const networks: unknown[] = [];
  for (const folder of rolesFolders()) {
    for (const name of readdirSync(folder)) {
      const role = tryRead(folder, name);
      if (role?.config?.format !== 'nocloud') continue;
      const context = contextOf(role, { configUrl: 'http://10.77.0.1/boot/1-abc/nocloud/' });
      const { body } = renderConfig(role, context);
      if (body.startsWith(HEAD)) configs.push(body);
      const network = renderConfig(role, context, 'network-config').body;
      if (network !== '') networks.push(parse(network));
    }
  }
  const said = await askCloudInit({ configs, networks });
  t.strictSame(
    said.sound,
    configs.map(() => true),
  );
  t.strictSame(
    said.networks,
    networks.map(() => true),
  );
});

function rolesFolders(): readonly string[] {
  const below = (folder: string): readonly string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [join(folder, entry.name), ...below(join(folder, entry.name))] : [],
    );
  return ['profiles', 'examples'].flatMap((name) => [join(ROOT, name), ...below(join(ROOT, name))]);
}

function tryRead(folder: string, name: string): Role | undefined {
  try {
    return readShippedRole(folder, name);
  } catch (thrown) {
    if (['ENOENT', 'ENOTDIR'].includes((thrown as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw thrown;
  }
}

t.test("cloud-init's own datasource finds all of it behind the kernel argument", { skip }, async (t) => {
  const files = new Map([
    ['vendor-data', source('#cloud-config\npackages: [vim]\n')],
    ['network-config', source('version: 2\nethernets: {all: {match: {name: e*}, dhcp4: true}}\n')],
  ]);
  for (const given of [new Map<string, TemplateSource>(), files]) {
    const role: Role = {
      ...testRole(),
      config: {
        format: 'nocloud',
        template: source(`${HEAD}hostname: {{machine.hostname}}\n`),
        files: given,
      },
    };
    const server = await startTestServer(t, {
      plan: () => bootPlan(role),
      renderer: {
        bootstrapScript: () => '',
        machineScript: ({ context }) => `ds=nocloud;dsmode=net;s=${context.configUrl}`,
        waitScript: () => '',
        refusalScript: () => '',
        renderConfig,
      },
    });
    const argument = await (await fetch(`${server.url}/ipxe?mac=52:54:00:12:34:56`)).text();
    const started = Date.now();
    const { fetched } = await askCloudInit({ cmdline: `quiet ${argument} console=ttyS0` });
    t.match(fetched, {
      found: true,
      // `local` would have it apply nothing: the network stage is another one's.
      dsmode: 'net',
      metaData: { 'instance-id': 'i-525400123456-1', 'local-hostname': 'node-1' },
      userData: `${HEAD}hostname: node-1\n`,
      vendorData: given.size === 0 ? '' : '#cloud-config\npackages: [vim]\n',
    });
    const asked = server.journal.observations.filter(({ kind }) => kind.startsWith('http.config'));
    t.notOk(
      asked.some(({ outcome }) => outcome !== 'answered'),
      'no answer made it try again',
    );
    const userData = asked.filter(({ kind }) => kind === 'http.config');
    t.equal(userData.length, 1, 'it asks for what may hold keys once');
    t.equal(server.journal.sessionById(1)?.stage, 'config');
    t.comment(`${asked.length} requests in ${Date.now() - started} ms`);
  }
});
