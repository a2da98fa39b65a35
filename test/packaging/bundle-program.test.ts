import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { bundleProgram } from '../../packaging/bundle-program.ts';

const ROOT = join(import.meta.dirname, '../..');

t.test('every thread that a source starts by its path is a file of the bundle', async (t) => {
  const out = t.testdir({});
  const packages = await bundleProgram(ROOT, out);
  t.ok(packages.includes('fastify'));
  t.notOk(packages.includes('koffi'), 'native packages stay outside');
  const built = readdirSync(out);
  t.ok(built.includes('main.js'));
  const started = globSync('src/**/*.ts', { cwd: ROOT }).flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    if (!text.includes('new Worker(')) return [];
    const names = [...text.matchAll(/new URL\(`\.\/([\w-]+)\$\{extname/g)].map((match) => match[1]);
    t.ok(names.length > 0, `${file} names its thread so that it is found here`);
    return names;
  });
  t.ok(started.includes('sqlite-worker'));
  for (const name of started) t.ok(built.includes(`${name}.js`), `${name}`);
});
