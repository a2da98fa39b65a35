import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const RULES = ['no-restricted-imports', 'no-cycle', 'no-default-export'];

/** A file in src/, one import of it, and whether the linter must refuse that. */
type Row = readonly [file: string, imported: string, message: RegExp | undefined];

const EDGES = ['servers', 'http', 'admin', 'store', 'net', 'catalog', 'config', 'pki', 'cluster', 'lab'];
const DECISIONS = ['boot', 'render', 'document'];

const rows: readonly Row[] = [
  // Vocabulary.
  ['machine/a.ts', '../protocol/dhcp/packet.ts', /vocabulary/],
  ['machine/b.ts', '../boot/subnet.ts', /vocabulary/],
  ['machine/c.ts', '../store/port.ts', /vocabulary/],
  ['machine/d.ts', 'node:fs', /nothing outside/],
  ['machine/e.ts', '../logger.ts', /never log/],
  ['machine/f.ts', './mac.ts', undefined],
  // Bytes.
  ['protocol/dhcp/a.ts', '../../boot/subnet.ts', /protocol\/ is bytes/],
  ['protocol/dhcp/b.ts', 'node:dgram', /only src\/servers/],
  ['protocol/dhcp/c.ts', 'node:fs/promises', /nothing outside/],
  ['protocol/dhcp/d.ts', '../../logger.ts', /never log/],
  ['protocol/dhcp/e.ts', 'dhcp', undefined],
  ['protocol/dhcp/f.ts', '../../machine/mac.ts', undefined],
  ['protocol/tftp/a.ts', '../../net/port.ts', /protocol\/ is bytes/],
  ['protocol/tftp/b.ts', 'dhcp', /only src\/protocol\/dhcp/],
  ['protocol/tftp/c.ts', 'tftp', /only src\/lab/],
  // Decisions.
  ...DECISIONS.flatMap((folder): Row[] => [
    [`${folder}/a.ts`, '../store/port.ts', /decisions may import/],
    [`${folder}/b.ts`, '../servers/tftp.ts', /decisions may import/],
    [`${folder}/c.ts`, 'node:fs', /nothing outside/],
    [`${folder}/d.ts`, 'node:net', /nothing outside/],
    [`${folder}/e.ts`, 'node:dgram', /only src\/servers/],
    [`${folder}/f.ts`, '../logger.ts', /never log/],
    [`${folder}/g.ts`, '../daemon.ts', /only cli/],
    [`${folder}/h.ts`, '../machine/mac.ts', undefined],
    [`${folder}/i.ts`, '../errors.ts', undefined],
  ]),
  ['boot/j.ts', 'handlebars', /only src\/render/],
  ['render/j.ts', 'handlebars', undefined],
  // Edges.
  ...EDGES.flatMap((folder, index): Row[] => {
    const other = EDGES[(index + 1) % EDGES.length] ?? '';
    return [
      [`${folder}/a.ts`, `../${other}/port.ts`, undefined],
      [`${folder}/b.ts`, `../${other}/anything.ts`, /only through its port/],
      [`${folder}/c.ts`, '../cli/exit.ts', /only through its port/],
      [`${folder}/d.ts`, '../daemon.ts', /only cli/],
      [`${folder}/e.ts`, 'pino', /only src\/logger/],
      [`${folder}/f.ts`, 'commander', /only src\/cli/],
      [`${folder}/g.ts`, '../logger.ts', undefined],
      [`${folder}/h.ts`, '../boot/subnet.ts', undefined],
    ];
  }),
  ['http/i.ts', 'better-sqlite3', /only src\/store/],
  ['http/j.ts', 'fastify', undefined],
  ['http/k.ts', 'node:dgram', /only src\/servers/],
  ['http/l.ts', 'koffi', /only src\/net/],
  ['admin/i.ts', 'fastify', undefined],
  ['servers/i.ts', 'fastify', /only src\/http/],
  ['servers/j.ts', 'node:dgram', undefined],
  ['store/i.ts', 'better-sqlite3', undefined],
  ['net/i.ts', 'koffi', undefined],
  ['lab/i.ts', 'tftp', undefined],
  ['cluster/i.ts', '@kubernetes/client-node', undefined],
  ['store/j.ts', '@kubernetes/client-node', /only src\/cluster/],
  ['store/k.ts', '@kubernetes/client-node/dist/gen/apis/CoreV1Api.js', /only src\/cluster/],
  // The command line.
  ['cli/a.ts', '../daemon.ts', undefined],
  ['cli/b.ts', '../admin/client.ts', undefined],
  ['cli/c.ts', '../store/sqlite-store.ts', /cli uses/],
  ['cli/d.ts', '../servers/tftp.ts', /cli uses/],
  ['cli/e.ts', '../net/open-udp-socket.ts', /cli uses/],
  ['cli/f.ts', 'commander', undefined],
  ['cli/g.ts', 'better-sqlite3', /only src\/store/],
];

interface Diagnostic {
  readonly message: string;
  readonly help?: string;
  readonly code: string;
  readonly filename: string;
}

/** Runs the linter on these files in a tree of their own, so that the work tree is never dirty. */
async function lint(files: Readonly<Record<string, string>>): Promise<readonly Diagnostic[]> {
  const tree = await mkdtemp(join(tmpdir(), 'tinderbox-lint-'));
  try {
    for (const name of ['oxlint.config.ts', 'tsconfig.json', 'package.json'])
      await cp(join(ROOT, name), join(tree, name));
    await symlink(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
    for (const [name, text] of Object.entries(files)) {
      const file = join(tree, 'src', name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
    const oxlint = join(ROOT, 'node_modules/.bin/oxlint');
    // tap's hooks are for programs of its own.
    const argv = ['-u', 'NODE_OPTIONS', oxlint, '--format=json', 'src'];
    const { stdout, stderr } = spawnSync('env', argv, { cwd: tree, encoding: 'utf8' });
    if (!stdout.startsWith('{')) throw new Error(stdout + stderr);
    return (JSON.parse(stdout) as { diagnostics: readonly Diagnostic[] }).diagnostics;
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

t.test('the linter refuses every arrow that the design does not draw, and none that it draws', async (t) => {
  const files = Object.fromEntries(
    rows.map(([file, imported]) => [
      file,
      `import * as other from '${imported}';\nexport const used = other;\n`,
    ]),
  );
  t.equal(Object.keys(files).length, rows.length, 'no row hides another');
  const diagnostics = await lint(files);
  for (const [file, imported, message] of rows) {
    const found = diagnostics
      .filter(
        ({ filename, code }) => filename.endsWith(`src/${file}`) && RULES.some((rule) => code.includes(rule)),
      )
      .map((one) => `${one.message} ${one.help ?? ''}`)
      .join('\n');
    const what = `${file} imports ${imported}`;
    if (message === undefined) t.equal(found, '', what);
    else t.match(found, message, what);
  }
});

t.test('cycles and default exports are refused', async (t) => {
  const diagnostics = await lint({
    'boot/one.ts': "import { two } from './two.ts';\nexport const one = (): number => two();\n",
    'boot/two.ts': "import { one } from './one.ts';\nexport const two = (): number => one();\n",
    'boot/three.ts': 'export default 3;\n',
  });
  const codes = diagnostics.map(({ code }) => code).join('\n');
  t.match(codes, 'no-cycle');
  t.match(codes, 'no-default-export');
});
