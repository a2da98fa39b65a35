import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { describeCopyright } from '../../packaging/describe-copyright.ts';
import { stageProgram } from '../../packaging/stage-program.ts';

const ROOT = join(import.meta.dirname, '../..');

t.test('a built program has its page beside it, with htmx, and names its licence', async (t) => {
  const out = t.testdir({});
  const { packages } = await stageProgram(ROOT, out);
  for (const folder of ['views', 'static']) {
    const own = readdirSync(join(ROOT, 'src/admin/page', folder));
    for (const name of own) t.ok(existsSync(join(out, 'lib', folder, name)), name);
  }
  t.ok(existsSync(join(out, 'lib/static/htmx.min.js')));
  t.ok(existsSync(join(out, 'lib/static/hx-sse.min.js')));
  t.ok(packages.includes('htmx.org'));
  t.match(
    await describeCopyright(ROOT, ['htmx.org'], []),
    /htmx\.org .*\nLicence: BSD-0-Clause\n\nZero-Clause BSD/,
  );

  // What reads them looks beside itself, wherever the bundler put it.
  const readers = readdirSync(join(out, 'lib')).filter(
    (name) => name.endsWith('.js') && readFileSync(join(out, 'lib', name), 'utf8').includes('"./views/"'),
  );
  t.equal(readers.length, 1);
});
