import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ADMIN_TOKEN_FILE, openAdminToken } from '../src/admin-token.ts';

const setUp = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tb-token-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const said: string[] = [];
  const logger = { warn: (...args: unknown[]) => void said.push(String(args.at(-1))) };
  return { folder, file: join(folder, ADMIN_TOKEN_FILE), said, open: () => openAdminToken(folder, logger) };
};

t.test('the token is made once, of 256 bits, for its owner alone', async (t) => {
  const { file, open } = await setUp();
  const token = await open();
  t.match(token.show(), /^[\w-]{43}$/);
  t.equal((await stat(file)).mode & 0o777, 0o600);
  t.equal((await open()).show(), token.show());
  t.ok(token.matches(token.show()));
  for (const wrong of ['', token.show().slice(1), `${token.show()} `, token.showForMetrics()])
    t.notOk(token.matches(wrong));
  t.ok(token.matchesForMetrics(token.showForMetrics()));
  t.notOk(token.matchesForMetrics(token.show()));
});

t.test('another one is on disk before the former is void', async (t) => {
  const { file, open } = await setUp();
  const token = await open();
  const former = token.show();
  const renewed = await token.renew();
  t.not(renewed, former);
  t.notOk(token.matches(former));
  t.equal(await readFile(file, 'utf8'), `${renewed}\n`);
  t.equal((await stat(file)).mode & 0o777, 0o600);
});

t.test(
  'what is no token is replaced, and a file that others may read is closed; both are said',
  async (t) => {
    const { file, said, open } = await setUp();
    await writeFile(file, '', { mode: 0o600 });
    const token = await open();
    t.match(token.show(), /^[\w-]{43}$/);
    t.match(said, [/holds no token/]);
    await chmod(file, 0o644);
    await open();
    t.equal((await stat(file)).mode & 0o777, 0o600);
    t.match(said.at(-1), /token --renew/);
  },
);
