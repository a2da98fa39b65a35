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

t.test('what is imported when needed has its names in the bundle, too', async (t) => {
  const out = t.testdir({});
  await bundleProgram(ROOT, out);
  const texts = readdirSync(out)
    .filter((name) => name.endsWith('.js'))
    .map((name) => readFileSync(join(out, name), 'utf8'));
  const wanted = texts.flatMap((text) =>
    [...text.matchAll(/const \{([^{}]+)\} = await import\("\.\/((?:undici|openpgp)[\w.-]*\.js)"\)/g)].map(
      ([, names = '', file = '']) =>
        [file, names.split(',').map((name) => name.split(':')[0]?.trim() ?? '')] as const,
    ),
  );
  t.ok(wanted.length >= 3, `${wanted.length} imports`);
  const undici = wanted.find(([file]) => file.startsWith('undici'))?.[0] ?? '';
  // The API server's client asks for several at once.
  for (const [file, names] of [...wanted, [undici, ['Agent']] as const]) {
    const found = (await import(join(out, file))) as Readonly<Record<string, unknown>>;
    for (const name of names) t.type(found[name], 'function', `${file}: ${name}`);
  }
});
