import { fastify } from 'fastify';
import t from 'tap';
import { addStaticFiles, readStaticFiles } from '../../../src/admin/page/static-files.ts';

t.test('files are found by an address that says what they hold, and nothing else is', async (t) => {
  const files = readStaticFiles();
  const app = fastify();
  addStaticFiles(app, files);
  for (const [name, type] of [
    ['page.css', 'text/css; charset=utf-8'],
    ['page.js', 'text/javascript; charset=utf-8'],
    ['icon.svg', 'image/svg+xml'],
    ['htmx.min.js', 'text/javascript; charset=utf-8'],
    ['hx-sse.min.js', 'text/javascript; charset=utf-8'],
  ] as const) {
    const url = files.url(name);
    t.match(url, /^\/static\/[\w.-]+-[0-9a-f]{12}\.(css|js|svg)$/, name);
    const answer = await app.inject(url);
    t.equal(answer.statusCode, 200, name);
    t.equal(answer.headers['content-type'], type, name);
    t.match(answer.headers['cache-control'], 'immutable', name);
    t.ok(answer.body.length > 100, name);
    const again = await app.inject({ url, headers: { 'if-none-match': String(answer.headers.etag) } });
    t.equal(again.statusCode, 304, name);
  }
  for (const path of ['page.css', '..%2fpage.css', '%2e%2e%2f%2e%2e%2fadd-pages.ts', '']) {
    t.equal((await app.inject(`/static/${path}`)).statusCode, 404, path);
  }
  t.throws(() => files.url('none.css'), /no static file/);
  await app.close();
});
