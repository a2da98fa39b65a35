import { readdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import { CSRF_FIELD } from '../../../src/admin/access/guard.ts';
import { loadViews } from '../../../src/admin/page/load-views.ts';
import { VIEWS } from '../../../src/admin/page/static-files.ts';

function viewsOf(t: Test, files: Readonly<Record<string, string>>) {
  const folder = pathToFileURL(`${t.testdir(files)}/`);
  return loadViews(folder, (name) => `/static/${name}`);
}

t.test('what a view shows is escaped, and what it wants and is not there is an error', (t) => {
  const views = viewsOf(t, {
    'a.hbs': '<p title="{{text}}">{{text}}</p>{{> b}}',
    'b.hbs': '<a href="{{asset "page.css"}}">{{cut text 8}}</a>',
    'c.hbs': '{{typo}}',
  });
  t.equal(
    views.render('a', { now: 0, text: `"><script>` } as never),
    '<p title="&quot;&gt;&lt;script&gt;">&quot;&gt;&lt;script&gt;</p><a href="/static/page.css">&quot;&gt;&lt;scri…</a>',
  );
  t.throws(() => views.render('c', { now: 0 }), /typo/);
  t.throws(() => views.render('d', { now: 0 }), /no view d/);
  t.end();
});

t.test('helpers make times, bars and numbers that hostile values do not leave', (t) => {
  const views = viewsOf(t, {
    'a.hbs':
      '{{ago at}} {{progress stage tone}} {{bytes size}} {{duration took}} {{plural size "byte"}}{{#if (is tone "x")}}no{{/if}}',
  });
  const shown = views.render('a', {
    now: 65_000,
    at: 5_000,
    stage: 'kernel',
    tone: '"><img>',
    size: 1536,
    took: 125_000,
  } as never);
  t.match(
    shown,
    '<time datetime="1970-01-01T00:00:05.000Z" title="1970-01-01 00:00:05 UTC" data-ago>1m ago</time>',
  );
  t.match(shown, 'max="9" value="5" aria-label="stage kernel, 5 of 9"');
  t.match(shown, '1.5 KiB 2 min 05 s 1,536 bytes');
  t.notMatch(shown, '<img>');
  t.match(views.render('a', { now: 0, at: 9e300, stage: '', tone: '', size: 1, took: 0 } as never), '1 byte');
  t.end();
});

t.test('no view makes markup of a value, or runs a program in an attribute', async (t) => {
  const { readFileSync } = await import('node:fs');
  for (const name of readdirSync(VIEWS)) {
    const text = readFileSync(new URL(name, VIEWS), 'utf8');
    t.notMatch(text, /\{\{\{|\{\{&/, `${name} escapes`);
    t.notMatch(
      text,
      /\son\w+=|hx-on|hx-(vals|headers|confirm)="js:|style=|<script>|<style/,
      `${name} obeys the policy`,
    );
    for (const form of text
      .split('<form ')
      .slice(1)
      .filter((part) => part.includes('method="post"'))) {
      const isLogin = form.includes('action="/login"');
      t.ok(isLogin || form.includes(`name="${CSRF_FIELD}"`), `${name} says that its form is ours`);
    }
    t.notMatch(text, /https?:\/\//, `${name} names no other origin`);
  }
});
