import { execFileSync } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import t from 'tap';
import { collectPrograms } from '../../src/lab/collect-programs.ts';
import { buildCpio } from '../../src/lab/cpio.ts';

/** This host's own loader and libraries, as unpacked packages would have them. */
async function rootWith(root: string, program: string): Promise<void> {
  const env = { ...process.env, LD_TRACE_LOADED_OBJECTS: '1' };
  const trace = execFileSync(program, { env, encoding: 'utf8' });
  const libraries = [...trace.matchAll(/(\/\S+\.so\S*)/g)].map(([, path]) => path as string);
  for (const path of libraries) {
    const to = path.includes('ld-linux') ? 'lib/x86_64-linux-gnu' : dirname(path).slice(1);
    await mkdir(join(root, to), { recursive: true });
    await cp(path, join(root, to, path.slice(dirname(path).length + 1)), { dereference: true });
  }
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  await cp(program, join(root, 'usr/bin/openssl'), { dereference: true });
}

t.test('a program runs with nothing but what was collected for it', async (t) => {
  const root = t.testdir();
  await rootWith(root, '/usr/bin/openssl');
  const entries = await collectPrograms(root, ['usr/bin/openssl']);
  const paths = entries.map(({ path }) => path);
  t.same(
    paths.filter((path, index) => index > 0 && paths.indexOf(path) !== index),
    [],
    'each once',
  );
  for (const path of paths.filter((one) => one.includes('/'))) {
    t.ok(paths.indexOf(dirname(path)) < paths.indexOf(path), `${dirname(path)} before ${path}`);
  }
  const alone = t.testdir({ unpacked: {} });
  execFileSync('cpio', ['-idm', '--quiet'], { cwd: `${alone}/unpacked`, input: buildCpio(entries) });
  const said = execFileSync('chroot', [`${alone}/unpacked`, '/usr/bin/openssl', 'version'], {
    encoding: 'utf8',
  });
  t.match(said, /^OpenSSL /);
});

t.test('names what no package holds', async (t) => {
  const root = t.testdir({ usr: { bin: {} } });
  await cp('/usr/bin/openssl', `${root}/usr/bin/openssl`, { dereference: true });
  await t.rejects(collectPrograms(root, ['usr/bin/openssl']), {
    code: 'unavailable',
    message: 'no package holds ld-linux-x86-64.so.2',
  });
  await writeFile(`${root}/usr/bin/script`, '#!/bin/sh\n');
  await t.rejects(collectPrograms(root, ['usr/bin/script']), { message: /script is no 64-bit ELF file/ });
});
