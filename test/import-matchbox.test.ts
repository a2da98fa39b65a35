import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { NO_PLACES } from '../src/boot/admit-machine.ts';
import { planBoot } from '../src/boot/plan-boot.ts';
import { loadCatalog } from '../src/catalog/load-catalog.ts';
import { runCli } from '../src/cli/program.ts';
import { importMatchbox } from '../src/import-matchbox.ts';
import type { Labels } from '../src/machine/facts.ts';
import { type Ipv4, parseIpv4 } from '../src/machine/ipv4.ts';
import type { Mac } from '../src/machine/mac.ts';
import { NO_USES } from '../src/machine/once.ts';
import type { Catalog } from '../src/machine/role.ts';
import { buildContext } from '../src/render/build-context.ts';
import { checkRoleTemplates } from '../src/render/check-templates.ts';
import { machineScript } from '../src/render/render-script.ts';
import { renderTemplate } from '../src/render/template-engine.ts';

const FROM = join(import.meta.dirname, 'fixtures/matchbox/install');

async function makeFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tb-import-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function load(dir: string): Promise<Catalog> {
  const { catalog, problems } = await loadCatalog(dir, { generation: 1, checkRole: checkRoleTemplates });
  if (catalog === undefined) throw new Error(JSON.stringify(problems));
  return catalog;
}

/** What a machine would get, as texts. */
function serve(catalog: Catalog, mac: string, labels: Labels = {}, arch?: 'x86') {
  const facts = { mac: mac as Mac, labels, ...(arch === undefined ? {} : { arch }) };
  const plan = planBoot({
    facts,
    catalog,
    admission: 'open',
    places: NO_PLACES,
    uses: NO_USES,
    holderOf: () => undefined,
  });
  if (plan.kind !== 'boot') throw new Error(plan.message);
  const { role, hostname } = plan;
  const server = { address: parseIpv4('10.77.0.1') as Ipv4, url: 'http://10.77.0.1' };
  const sessionUrl = 'http://10.77.0.1/boot/1-x';
  const context = buildContext({ plan, facts, cluster: undefined, server, subnets: [], sessionUrl });
  return {
    role: role.name,
    script: machineScript({ role, context, hostname }),
    config: role.config === undefined ? '' : renderTemplate(role.config.template, context),
  };
}

t.test('groups and profiles of matchbox give each machine what matchbox gave it', async (t) => {
  const to = join(await makeFolder(t), 'profiles');
  const result = await importMatchbox({ from: FROM, to, dryRun: false });
  t.match(result, {
    written: true,
    roles: ['cloud', 'etcd-3', 'installer', 'old'],
    added: { machines: 1, rules: 3, default: false },
    kept: [],
    problems: [],
  });
  const catalog = await load(to);

  const fresh = serve(catalog, '52:54:00:00:00:01');
  t.equal(fresh.role, 'installer');
  t.match(
    fresh.script,
    / flatcar\.config\.url=http:\/\/10\.77\.0\.1\/boot\/1-x\/ignition flatcar\.first_boot=yes /,
  );
  t.notMatch(fresh.script, /initrd=flatcar|matchbox/);
  t.match(
    fresh.config,
    /curl --fail "http:\/\/matchbox.example:8080\/ignition\?mac=52:54:00:00:00:01&uuid=&os=installed"/,
  );
  t.match(fresh.config, /-C stable \\\n +-i ignition.json/);
  t.match(fresh.config, /ssh_authorized_keys:\n +- ssh-ed25519 AAAA me\n/);

  t.equal(serve(catalog, '52:54:00:a1:9c:ae').role, 'installer', 'it installs first');
  const installed = serve(catalog, '52:54:00:a1:9c:ae', { os: 'installed' });
  t.equal(installed.role, 'etcd-3');
  t.match(JSON.parse(installed.config), { storage: { files: [{ contents: { source: 'data:,%7B{{x}}' } }] } });

  const cloud = serve(catalog, '52:54:00:b2:2f:86', { rack: 'r7' });
  t.equal(cloud.config.split('\n')[1], 'hostname: web');
  t.match(cloud.config, /content: \|\n {6}a of web r7\n {6}b of web r7\n/);
  t.equal(serve(catalog, '52:54:00:00:00:02', { region: 'west' }, 'x86').role, 'old');
});

t.test('what could not be converted is said with its place and what to do', async (t) => {
  const { notes } = await importMatchbox({ from: FROM, to: join(await makeFolder(t), 'p'), dryRun: true });
  const said = notes.map(
    ({ file, line, message, todo }) => `${file.slice(FROM.length + 1)}:${line}: ${message} ${todo}`,
  );
  for (const expected of [
    /^profiles\/etcd.json:4: a role has one configuration; motd is left out/,
    /^profiles\/etcd.json:.*boots nothing.*http: \{ matchbox: true \}/,
    /^profiles\/old.json:6: the argument names a server/,
    /^ignition\/old.yaml:1: it is a Container Linux Config, which cannot be converted/,
    /^ignition\/installer.yaml.tmpl:22: nothing gives baseurl/,
    /^ignition\/installer.yaml.tmpl:24: \{\{ printf "%s" .mac \}\}: the function printf has no counterpart/,
    /^groups\/wild.json:4: the selector serial has a \*/,
  ]) {
    t.ok(
      said.some((line) => expected.test(line)),
      String(expected),
    );
  }
});

t.test('nothing that is there is changed, and a second import changes nothing', async (t) => {
  const to = await makeFolder(t);
  await mkdir(join(to, 'cloud'));
  await writeFile(join(to, 'cloud/role.yaml'), 'boot: hold\nparameters: { role: "", peers: [] }\n');
  const machines = "# mine\nmachines:\n  '525400b22f86': { role: cloud } # kept\ndefault: cloud\n";
  await writeFile(join(to, 'machines.yaml'), machines);
  const first = await importMatchbox({ from: FROM, to, dryRun: false });
  t.match(first.kept, [/there is a role cloud already/, /^52:54:00:b2:2f:86 has an entry already/]);
  t.equal(
    await readFile(join(to, 'cloud/role.yaml'), 'utf8'),
    'boot: hold\nparameters: { role: "", peers: [] }\n',
  );
  const text = await readFile(join(to, 'machines.yaml'), 'utf8');
  t.match(text, /^# mine\nmachines:\n {2}'525400b22f86': \{ role: cloud \} # kept\ndefault: cloud\nrules:\n/);
  const second = await importMatchbox({ from: FROM, to, dryRun: false });
  t.match(second, { roles: [], added: { machines: 0, rules: 0, default: false } });
  t.equal(await readFile(join(to, 'machines.yaml'), 'utf8'), text);
});

t.test('what would break profiles is not written', async (t) => {
  const folder = await makeFolder(t);
  const from = join(folder, 'matchbox');
  await cp(FROM, from, { recursive: true });
  await writeFile(
    join(from, 'profiles/wrong.json'),
    '{"id":"wrong","boot":{"kernel":"/assets/k","args":[""]}}',
  );
  const to = join(folder, 'profiles');
  await mkdir(join(to, 'mine'), { recursive: true });
  await writeFile(join(to, 'mine/role.yaml'), 'boot: nothing\n');
  await writeFile(join(to, 'machines.yaml'), '');
  const { written, problems } = await importMatchbox({ from, to, dryRun: false });
  t.equal(written, false);
  t.match(problems[0], { severity: 'error', file: join(to, 'mine/role.yaml') });
  t.same((await readdir(to)).toSorted(), ['machines.yaml', 'mine']);
});

t.test('folders and files that are none of matchbox are refused or noted', async (t) => {
  const from = await makeFolder(t);
  const to = join(from, 'to');
  await t.rejects(importMatchbox({ from, to, dryRun: true }), {
    code: 'not-found',
    message: /needs groups\/ and profiles\//,
  });
  await mkdir(join(from, 'groups'));
  await mkdir(join(from, 'profiles'));
  const broken: readonly [string, string, RegExp][] = [
    ['profiles/a.json', '{"id": ', /^it is no JSON/],
    ['profiles/b.json', '[1]', /^it is no map/],
    ['groups/c.json', '{"profile":"gone"}', /^there is no profile gone/],
    ['groups/d.json', '{"profile":"e","selector":{"mac":"x"}}', /^"x" is no MAC/],
    [
      'profiles/e.json',
      '{"id":"e","ignition_id":"gone.ign","boot":{"kernel":"/assets/k"}}',
      /^there is no ignition\/gone.ign/,
    ],
  ];
  for (const [file, text] of broken) await writeFile(join(from, file), text);
  const { notes, roles } = await importMatchbox({ from, to, dryRun: true });
  for (const [file, , message] of broken) {
    t.ok(
      notes.some((note) => note.file === join(from, file) && message.test(note.message)),
      file,
    );
  }
  t.same(roles, ['e']);
});

t.test(
  'no folder of matchbox leads to files of this host, names what no one can read, or fills its memory',
  async (t) => {
    const rows: readonly [string, (from: string) => Promise<unknown>, RegExp][] = [
      ['a link', (from) => symlink('/etc', join(from, 'generic')), /generic leads out of/],
      [
        'a name of two lines',
        async (from) => {
          await mkdir(join(from, 'cloud'));
          await writeFile(join(from, 'cloud/a\nidentity: admin'), 'x');
        },
        /a\\nidentity: admin.* holds what cannot be shown/,
      ],
      [
        'files of a gigabyte together',
        async (from) => {
          await mkdir(join(from, 'generic'));
          for (let nth = 0; nth < 65; nth++) {
            await writeFile(join(from, `generic/${nth}`), '');
            await truncate(join(from, `generic/${nth}`), 1024 * 1024);
          }
        },
        /generic is larger than 64 MiB/,
      ],
    ];
    for (const [name, prepare, message] of rows) {
      const from = await makeFolder(t);
      for (const folder of ['groups', 'profiles']) await mkdir(join(from, folder));
      await writeFile(
        join(from, 'profiles/a.json'),
        '{"id":"a","generic_id":"hostname","boot":{"kernel":"/assets/k"}}',
      );
      await prepare(from);
      const imported = importMatchbox({ from, to: join(from, 'to'), dryRun: true });
      await t.rejects(imported, { code: 'refused', message }, name);
    }
  },
);

t.test(
  'a template of a folder below lies beside the role, and a link within the folder is followed',
  async (t) => {
    const from = await makeFolder(t);
    for (const folder of ['groups', 'profiles', 'files/sub'])
      await mkdir(join(from, folder), { recursive: true });
    await symlink('files', join(from, 'generic'));
    await writeFile(join(from, 'files/sub/motd'), 'hello');
    await writeFile(
      join(from, 'profiles/a.json'),
      '{"id":"a","generic_id":"sub/motd","boot":{"kernel":"/assets/k"}}',
    );
    const to = join(from, 'to');
    t.match(await importMatchbox({ from, to, dryRun: false }), { written: true });
    t.equal(await readFile(join(to, 'a/sub-motd.hbs'), 'utf8'), 'hello');
  },
);

const run = async (...argv: readonly string[]) => {
  let text = '';
  const code = await runCli(['import', 'matchbox', ...argv], {
    out: (more) => void (text += more),
    err: (more) => void (text += more),
  });
  return { code, text };
};

t.test('the command says what it did, also as JSON', async (t) => {
  const to = join(await makeFolder(t), 'profiles');
  t.match(await run(FROM, '--to', to, '--dry-run'), {
    code: 0,
    text: /would write to .*: 4 role\(s\): cloud, etcd-3, installer, old; 1 machine/,
  });
  t.match(JSON.parse((await run(FROM, '--to', to, '--json')).text), {
    written: true,
    roles: ['cloud', 'etcd-3', 'installer', 'old'],
  });
  t.match(await run(FROM, '--to', to), { code: 0, text: /kept: there is a role cloud already/ });
  t.match(await run(join(FROM, 'groups'), '--to', to), { code: 1, text: /no data folder of matchbox/ });
  t.match((await run()).code, 2);
});

t.test('what is said of files of others moves no cursor', async (t) => {
  const from = await makeFolder(t);
  for (const folder of ['groups', 'profiles']) await mkdir(join(from, folder));
  await writeFile(join(from, 'groups/a.json'), '{"profile":"\\u001b[2Jgone"}');
  const { text } = await run(from, '--to', join(from, 'to'), '--dry-run');
  t.match(text, /there is no profile \[2Jgone/);
  t.notMatch(text, '\u001b');
});
