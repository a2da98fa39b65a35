import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readDescriptorLimit } from '../../src/net/descriptor-limit.ts';

t.test('the limit is what the process was started with', (t) => {
  const module = join(import.meta.dirname, '../../src/net/descriptor-limit.ts');
  const script = `import { readDescriptorLimit } from ${JSON.stringify(module)}; console.log(readDescriptorLimit());`;
  const argv = ['--nofile=200:300', process.execPath, '--input-type=module', '--eval', script];
  const env = { ...process.env, NODE_OPTIONS: '' };
  t.equal(execFileSync('prlimit', argv, { env, encoding: 'utf8' }).trim(), '300');
  t.end();
});

t.test('where there is none, or nobody says, it is not known', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-limits-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'limits');
  for (const text of ['Max open files            unlimited            unlimited            files\n', '']) {
    writeFileSync(file, text);
    t.equal(readDescriptorLimit(file), undefined);
  }
  t.equal(readDescriptorLimit(join(folder, 'nothing')), undefined);
  t.end();
});
