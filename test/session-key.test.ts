import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
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

t.test('something else in the place of the key is replaced, and the log says so', async (t) => {
  const folder = await makeFolder(0o700);
  for (const content of ['short', '']) {
    await writeFile(join(folder, 'session-key'), content, { mode: 0o600 });
    const { lines, logger } = createLog();
    const key = await loadSessionKey(folder, logger);
    t.equal(key.length, 32);
    t.match(lines, [new RegExp(`holds ${content.length} bytes instead of 32: it is made anew`)]);
    t.same(await loadSessionKey(folder, logger), key);
  }
});

t.test('a full disk and one mounted read-only are said, with what to do', async (t) => {
  const mounted = (options: string): { code?: string; message?: string; remedy?: string } => {
    const disk = mkdtempSync(join(tmpdir(), 'tinderbox-key-'));
    t.teardown(() => rm(disk, { recursive: true, force: true }));
    const script = `
      import { loadSessionKey } from ${JSON.stringify(import.meta.resolve('../src/session-key.ts'))};
      await loadSessionKey(process.argv[1], { warn() {} })
        .then(() => console.log('{}'), ({ code, message, remedy }) => console.log(JSON.stringify({ code, message, remedy })));`;
    const shell = 'mount -t tmpfs -o size=16k,mode=700 none "$0" && ' + options + '; exec "$@" "$0"';
    const node = [process.execPath, '--input-type=module', '-e', script];
    const inside = ['--user', '--map-root-user', '--mount', '--', 'sh', '-c', shell, disk, ...node];
    const { NODE_OPTIONS: _, ...env } = process.env;
    const output = execFileSync('unshare', inside, {
      encoding: 'utf8',
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return JSON.parse(output);
  };
  t.match(mounted('cat /dev/zero > "$0"/filler'), {
    code: 'unavailable',
    message: /the disk is full: .*session-key/,
    remedy: /Free space/,
  });
  t.match(mounted('mount -o remount,ro "$0"'), {
    code: 'refused',
    message: /session-key cannot be written \(EROFS/,
    remedy: /read-only/,
  });
});
