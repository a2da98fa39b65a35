import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import {
  compareProfiles,
  listRoles,
  placeProfiles,
  setDefaultRole,
  stageProfiles,
  withStagedProfiles,
} from '../src/copy-profiles.ts';

function makeFolder(t: { teardown(then: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-copy-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const shipped = join(folder, 'shipped');
  for (const role of ['worker', 'hold']) {
    mkdirSync(join(shipped, role), { recursive: true });
    writeFileSync(join(shipped, role, 'role.yaml'), `description: ${role}\n`, { mode: 0o444 });
  }
  mkdirSync(join(shipped, 'partials'));
  writeFileSync(join(shipped, 'machines.yaml'), '# who boots what\nmachines: {}\ndefault: worker\n');
  return folder;
}

t.test('the shipped roles come as a whole, writable, with another default', async (t) => {
  const folder = makeFolder(t);
  const [shipped, target] = [join(folder, 'shipped'), join(folder, 'profiles')];
  t.same(await compareProfiles(shipped, target), { kept: false, different: [], missing: [] });
  t.same(await listRoles(shipped), ['hold', 'worker'], 'partials are no role');
  const staged = await stageProfiles(shipped, target, 'none');
  t.notOk(existsSync(target), 'nothing is there before it is whole');
  mkdirSync(target);
  await placeProfiles(staged.folder, target, undefined);
  t.equal(
    readFileSync(join(target, 'machines.yaml'), 'utf8'),
    '# who boots what\nmachines: {}\ndefault: none\n',
  );
  t.equal(statSync(join(target, 'worker/role.yaml')).mode & 0o777, 0o640);
  t.equal(statSync(target).mode & 0o777, 0o750);
  t.same(readdirSync(folder).toSorted(), ['profiles', 'shipped']);
});

t.test('what is there is told apart from what ships, and nothing takes its place', async (t) => {
  const folder = makeFolder(t);
  const [shipped, target] = [join(folder, 'shipped'), join(folder, 'profiles')];
  mkdirSync(join(target, 'worker'), { recursive: true });
  writeFileSync(join(target, 'worker/role.yaml'), 'description: mine\n');
  t.same(await compareProfiles(shipped, target), { kept: true, different: ['worker'], missing: ['hold'] });
  const staged = await stageProfiles(shipped, target, 'none');
  await t.rejects(placeProfiles(staged.folder, target, undefined), { code: 'ENOTEMPTY' });
  await staged.remove();
  t.equal(readFileSync(join(target, 'worker/role.yaml'), 'utf8'), 'description: mine\n');
});

t.test('of what is there nothing is opened but regular files as large as those that ship', async (t) => {
  const folder = makeFolder(t);
  const [shipped, target] = [join(folder, 'shipped'), join(folder, 'profiles')];
  const role = join(target, 'worker/role.yaml');
  const compare = async () => (await compareProfiles(shipped, target)).different;
  cpSync(shipped, target, { recursive: true });
  t.same(await compare(), []);
  const odd: Readonly<Record<string, () => unknown>> = {
    'a pipe': () => execFileSync('mkfifo', [role]),
    'a link to what ships': () => symlinkSync(join(shipped, 'worker/role.yaml'), role),
    'a link to nowhere': () => symlinkSync('nowhere', role),
    // More than readFile takes; sparse.
    'a huge file': () => execFileSync('truncate', ['-s', '3G', role]),
    'the same length': () => writeFileSync(role, 'description: WORKER\n'),
  };
  for (const [what, make] of Object.entries(odd)) {
    rmSync(role, { force: true });
    make();
    t.same(await compare(), ['worker'], what);
  }
  rmSync(join(target, 'worker'), { recursive: true });
  execFileSync('mkfifo', [join(target, 'worker')]);
  t.same(await compare(), ['worker'], 'a pipe in the place of the folder');
});

t.test('a trial copy is gone afterwards, also after a failure', async (t) => {
  const folder = makeFolder(t);
  let seen = '';
  const use = async (staged: string | undefined) => {
    seen = staged ?? '';
    t.ok(existsSync(join(seen, 'machines.yaml')));
    throw new Error('broken');
  };
  await t.rejects(withStagedProfiles(join(folder, 'shipped'), 'hold', use), /broken/);
  t.notOk(existsSync(seen));
});

t.test('the default is the line that begins with it', async (t) => {
  t.equal(setDefaultRole('# default: a\ndefault: worker\n', 'none'), '# default: a\ndefault: none\n');
  t.throws(() => setDefaultRole('machines: {}\n', 'none'), /no default/);
});
