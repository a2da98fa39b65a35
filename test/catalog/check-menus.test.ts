import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadCatalog } from '../../src/catalog/load-catalog.ts';
import { formatProblem } from '../../src/errors.ts';

async function load(t: Test, menu: string, machines = 'default: menu\n') {
  const dir = await mkdtemp(join(tmpdir(), 'tb-menu-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const files = {
    worker: 'boot: { kernel: /assets/k }\nparameters: { image: stable }\n',
    memtest: 'boot: { kernel: /assets/memtest, handsOver: true }\nparameters: { passes: 1 }\n',
    local: 'boot: local\n',
    hold: 'boot: hold\n',
    other: 'boot: { menu: { title: Other, choices: [{ role: local }] } }\n',
    menu: `boot:\n  menu:\n    title: What now?\n${menu}`,
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(dir, name));
    await writeFile(join(dir, name, 'role.yaml'), text);
  }
  await writeFile(join(dir, 'machines.yaml'), machines);
  const { catalog, problems } = await loadCatalog(dir, { generation: 1, checkRole: () => [] });
  return { catalog, said: problems.map((problem) => formatProblem(problem).slice(dir.length + 1)) };
}

t.test('a menu is read with its default, its time and its keys', async (t) => {
  const { catalog, said } = await load(
    t,
    '    choices:\n      - { role: worker, label: A worker, key: w }\n      - role: memtest\n',
  );
  t.same(said, []);
  t.same(catalog?.roles.get('menu')?.boot, {
    kind: 'menu',
    title: 'What now?',
    timeout: 30,
    default: 'worker',
    choices: [
      { role: 'worker', label: 'A worker', key: 'w', line: 5 },
      { role: 'memtest', label: 'memtest', line: 6 },
    ],
  });
  t.match(catalog?.roles.get('memtest')?.boot, { kind: 'kernel', handsOver: true });
});

t.test('menus that cannot be followed are refused at their line', async (t) => {
  const rows: readonly [string, RegExp][] = [
    ['    choices: [{ role: memtes }]', /^menu\/role.yaml:4.*no such role; did you mean "memtest"\?/],
    ['    choices: [{ role: menu }]', /^menu\/role.yaml:4:\d+: a menu cannot offer itself/],
    ['    choices: [{ role: other }]', /^menu\/role.yaml:4.*offers other, which is a menu itself/],
    ['    choices: [{ role: hold }]', /^menu\/role.yaml:4.*offers hold, which boots nothing/],
    ['    choices: [{ role: local }, { role: local }]', /the role local is offered twice/],
    [
      '    choices: [{ role: local, key: a }, { role: worker, key: a }]',
      /the key a is given to worker and, on line 4, to local/,
    ],
    [
      '    default: local\n    choices: [{ role: worker }]',
      /the default local is not among the choices: worker/,
    ],
    ['    choices: []', /choices/],
    ['    timeout: 0\n    choices: [{ role: worker }]', /timeout/],
    ['    choices: [{ role: worker, key: F8 }]', /key": expected a letter or a digit/],
    ['    choices: [{ role: worker, label: "--key" }]', /label": expected at most 72 letters/],
  ];
  for (const [menu, expected] of rows) {
    const { catalog, said } = await load(t, menu);
    t.equal(catalog, undefined, menu);
    t.ok(
      said.some((line) => expected.test(line)),
      `${menu}: ${said.join(' | ')}`,
    );
  }
});

t.test('a parameter is of use where something that the menu offers heeds it', async (t) => {
  const choices = '    choices: [{ role: worker }, { role: memtest }]\n';
  const rule = 'rules: [{ match: { arch: arm64 }, role: menu, parameters: { imag: beta } }]\n';
  const entry = "machines: { '52:54:00:00:00:01': { role: menu, parameters: { imag: beta } } }\n";
  for (const wrong of [rule, entry]) {
    t.same((await load(t, choices, wrong.replace('imag: beta', 'image: beta, passes: 3'))).said, []);
    t.match((await load(t, choices, wrong)).said.join(' '), /has no parameter "imag"/);
  }
});
