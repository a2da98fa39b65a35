import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { NO_PLACES } from '../src/boot/admit-machine.ts';
import { MASK } from '../src/boot/mask-secrets.ts';
import { openCatalog } from '../src/catalog/catalog-holder.ts';
import { loadConfig } from '../src/config/load.ts';
import { describeRoles } from '../src/describe-roles.ts';
import { type ExplainSources, previewMasked } from '../src/explain-machine.ts';
import { createLoggers } from '../src/logger.ts';
import type { Mac } from '../src/machine/mac.ts';
import type { BootSession } from '../src/machine/session.ts';
import { checkRoleTemplates } from '../src/render/check-templates.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const OTHER = '52:54:00:00:00:02' as Mac;

const WORKER = `description: A worker
boot: { kernel: /assets/k, cmdline: ['url={{configUrl}}', 'pw={{parameters.rootPassword}}'] }
config: { format: cloud-config, template: cloud-config.yaml.hbs }
parameters: { rootPassword: correct-horse }
`;
const MACHINES = `machines:
  ${MAC}: { role: worker, hostname: web-1 }
rules:
  - { match: { arch: arm64 }, role: worker }
default: disk
`;
const session = (mac: Mac, role: string, openedAt: number): BootSession => ({
  id: openedAt,
  mac,
  openedAt,
  updatedAt: openedAt,
  stage: 'script',
  stageTimes: {},
  role,
  hostname: `host-${openedAt}`,
});

async function fixture(t: Test) {
  const parent = await mkdtemp(join(tmpdir(), 'tb-roles-'));
  t.teardown(() => rm(parent, { recursive: true, force: true }));
  const dir = join(parent, 'profiles');
  const write = async (name: string, text: string) => {
    await mkdir(join(dir, name, '..'), { recursive: true });
    await writeFile(join(dir, name), text);
  };
  await write('worker/role.yaml', WORKER);
  await write('worker/cloud-config.yaml.hbs', '#cloud-config\nhostname: {{machine.hostname}}\n{{> users}}');
  await write('partials/users.yaml.hbs', 'users: []\n');
  await write('partials/unused.hbs', 'nothing\n');
  await write('disk/role.yaml', 'boot: local\n');
  await write('machines.yaml', MACHINES);
  await writeFile(join(parent, 'tinderbox.yaml'), 'network: { interface: lo }\ndhcp: { mode: proxy }\n');
  const { config } = await loadConfig(join(parent, 'tinderbox.yaml'), {});
  const logger = createLoggers({ level: 'silent' }).catalog;
  const catalog = await openCatalog({ dir, logger, checkRole: checkRoleTemplates, checkInterval: 0 });
  t.teardown(() => catalog.close());
  const sessions = [session(MAC, 'worker', 1), session(OTHER, 'worker', 2)];
  const roles = describeRoles({
    dir,
    catalog,
    sessions: () => sessions,
    preview: (mac, role) =>
      previewMasked(
        {
          config,
          catalog: catalog.current(),
          store: undefined,
          holders: new Map(),
          places: NO_PLACES,
          networks: { interfaces: [] },
        } as unknown as ExplainSources,
        mac,
        role,
      ),
  });
  return { dir, write, roles };
}

t.test('the list says who gives a role and how many machines have it', async (t) => {
  const { roles } = await fixture(t);
  const { roles: list, problems } = await roles.list();
  t.same(problems, []);
  t.same(
    list.map(({ name, machines, boot, description }) => ({ name, machines, boot, description })),
    [
      { name: 'disk', machines: 0, boot: 'local', description: '' },
      { name: 'worker', machines: 2, boot: 'kernel', description: 'A worker' },
    ],
  );
  t.same(list[0]?.givenBy, [{ what: 'the default', line: 5 }]);
  t.same(list[1]?.givenBy, [
    { what: 'the rule for arch=arm64', line: 4 },
    { what: `the entry of ${MAC} (web-1)`, line: 2 },
  ]);
});

t.test('a role is shown with its files, the partials that it uses, and no secret', async (t) => {
  const { roles } = await fixture(t);
  const role = await roles.show('worker');
  t.same(
    role.files.map(({ name }) => name),
    ['role.yaml', 'cloud-config.yaml.hbs', '../partials/users.yaml.hbs'],
  );
  t.notMatch(JSON.stringify(role), 'correct-horse');
  t.same(
    role.usedBy,
    [
      { mac: OTHER, hostname: 'host-2' },
      { mac: MAC, hostname: 'host-1' },
    ],
    'newest boot first',
  );
});

t.test('a broken edit and a new broken role are on the list, although neither is in force', async (t) => {
  const { roles, write, dir } = await fixture(t);
  await write('worker/cloud-config.yaml.hbs', '#cloud-config\nhostname: {{machine.hostnam}}\n');
  await write('fresh/role.yaml', 'boot: nothing\n');
  const { roles: list } = await roles.list();
  t.same(
    list.map(({ name, problems }) => [name, problems[0]?.file, problems[0]?.line]),
    [
      ['disk', undefined, undefined],
      ['fresh', join(dir, 'fresh/role.yaml'), 1],
      ['worker', join(dir, 'worker/cloud-config.yaml.hbs'), 2],
    ],
  );
  const fresh = await roles.show('fresh');
  t.equal(fresh.files[0]?.text, 'boot: nothing\n');
  await t.rejects(roles.preview(MAC, 'fresh'), { code: 'not-found' });
});

t.test('a fault in a partial is said of the roles that use it', async (t) => {
  const { roles, write } = await fixture(t);
  await write('partials/users.yaml.hbs', 'users: []\n{{nobody}}\n');
  const { problems } = await roles.show('worker');
  t.match(problems, [{ file: /partials\/users/, line: 2 }]);
  t.same((await roles.show('disk')).problems, []);
});

t.test('no file outside of the role is read, whatever its name or link', async (t) => {
  const { roles, dir } = await fixture(t);
  await symlink('/etc/passwd', join(dir, 'worker/link.hbs'));
  const { files, problems } = await roles.show('worker');
  t.equal(files.find(({ name }) => name === 'link.hbs')?.text, '');
  t.match(problems, [{ message: /outside/ }]);
  for (const name of ['..', '../../etc', 'worker/../disk', 'partials', 'none', '', '.', 'constructor']) {
    await t.rejects(roles.show(name), { code: 'not-found' }, name);
  }
});

t.test('a preview is what would be served, with secrets masked, also with another role', async (t) => {
  const { roles } = await fixture(t);
  const preview = await roles.preview(MAC);
  t.equal(preview.hostname, 'web-1');
  t.match(preview.script, `pw=${MASK}`);
  t.match(preview.config, 'hostname: web-1');
  t.notMatch(JSON.stringify(preview), 'correct-horse');
  const disk = await roles.preview(MAC, 'disk');
  t.match(disk.script, 'sanboot');
  t.equal(disk.config, undefined);
  t.equal((await roles.preview(OTHER)).role, 'disk', 'one never seen gets the default');
  await t.rejects(roles.preview(MAC, 'nobody'), { code: 'not-found' });
});
