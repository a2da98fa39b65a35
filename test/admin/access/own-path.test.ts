import t from 'tap';
import { ownPath } from '../../../src/admin/access/own-path.ts';

t.test('after signing in one stays on this server', (t) => {
  for (const path of ['/', '/machines/52:54:00:12:34:56', '/?state=stalled&q=a%20b'])
    t.equal(ownPath(path), path);
  const others = [
    '//evil.example',
    '/\\evil.example',
    'https://evil.example/',
    'javascript:alert(1)',
    '/\t/evil.example',
    '/a\r\nset-cookie: x=1',
    '',
    undefined,
    ['/'],
    `/${'x'.repeat(3_000)}`,
  ];
  for (const path of others) t.equal(ownPath(path), '/', JSON.stringify(path)?.slice(0, 40));
  t.end();
});
