import t from 'tap';
import { checkFiles } from './check-files.ts';

const check = (path: string, content: string) =>
  checkFiles({ hostname: 'h', write_files: [{ path, content }] });

t.test('files are looked at as what their names say', async (t) => {
  const table: readonly [string, string, RegExp][] = [
    ['/a.json', '{', /^\/a\.json: /],
    ['/a.conflist', '{"a":}', /^\/a\.conflist: /],
    ['/a.toml', 'a = ', /^\/a\.toml: .*Invalid/],
    ['/a.yaml', 'a: [', /^\/a\.yaml: /],
    ['/a.yaml', 'apiVersion: v1\nkind: Pod\n---\nx: 1\n', /there is no kind/],
    ['/kubelet.conf', 'apiVersion: v1\nkind: Config\nuser: []\n', /user is no field/],
  ];
  for (const [path, content, problem] of table)
    t.match((await check(path, content)).join('\n'), problem, path);
  t.strictSame(await check('/a.txt', '{'), []);
  t.strictSame(await check('/a.toml', 'a = 1\n[b]\n'), []);
});
