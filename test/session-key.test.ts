import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { loadSessionKey } from '../src/session-key.ts';

async function makeFolder(mode: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-key-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, mode);
  return folder;
}

function createLog() {
  const lines: string[] = [];
  return { lines, logger: { warn: (line: string) => void lines.push(line) } as never };
}

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o7777;

t.test('the key is made once, for its owner only, and nothing else stays', async (t) => {
  const folder = await makeFolder(0o700);
  const { lines, logger } = createLog();
  const key = await loadSessionKey(folder, logger);
  t.same(await loadSessionKey(folder, logger), key);
  t.same(await readdir(folder), ['session-key']);
  t.same(await readFile(join(folder, 'session-key')), key);
  t.equal(await modeOf(join(folder, 'session-key')), 0o600);
  t.same(lines, []);
});

t.test('a folder and a key that others may look at are closed to them, and the log says so', async (t) => {
  const folder = await makeFolder(0o755);
  const file = join(folder, 'session-key');
  await writeFile(file, new Uint8Array(32));
  await chmod(file, 0o644);
  const { lines, logger } = createLog();
  t.same(await loadSessionKey(folder, logger), new Uint8Array(32));
  t.equal(await modeOf(folder), 0o700);
  t.equal(await modeOf(file), 0o600);
  t.match(lines, [/ 0755 and is 0700 now/, /session-key.* 0644 and is 0600 now/, /remove it/]);
});

t.test('a folder that everybody shares is refused as it is', async (t) => {
  const folder = await makeFolder(0o1777);
  await t.rejects(loadSessionKey(folder, createLog().logger), {
    code: 'refused',
    remedy: /folder of its own/,
  });
  t.equal(await modeOf(folder), 0o1777);
  t.same(await readdir(folder), []);
});

t.test('something else in the place of the key is not used', async (t) => {
  const folder = await makeFolder(0o700);
  await writeFile(join(folder, 'session-key'), 'short', { mode: 0o600 });
  await t.rejects(loadSessionKey(folder, createLog().logger), { code: 'internal', message: /5 bytes/ });
});
