import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { findShippedFiles } from '../src/shipped-files.ts';

t.test('a clone has what ships beside its sources', async (t) => {
  const { profiles, examples, schemas } = findShippedFiles();
  t.ok(existsSync(`${profiles}/machines.yaml`));
  t.ok(existsSync(`${examples}/echo.yaml`));
  t.ok(existsSync(`${schemas}/tinderbox.schema.json`));
});

t.test('a program below /usr/lib has it in /usr/share', async (t) => {
  t.same(findShippedFiles(new URL('file:///usr/lib/tinderbox/')), {
    profiles: '/usr/share/tinderbox/profiles',
    examples: '/usr/share/tinderbox/examples',
    schemas: '/usr/share/tinderbox/schemas',
  });
});

t.test('and one below another prefix in the same prefix', async (t) => {
  const folder = t.testdir({ lib: { tinderbox: {} }, share: { tinderbox: { profiles: {} } } });
  t.equal(
    findShippedFiles(pathToFileURL(`${folder}/lib/tinderbox/`)).profiles,
    `${folder}/share/tinderbox/profiles`,
  );
});
