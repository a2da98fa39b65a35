import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { generateDiagnoses, generatePage, readDiagnoses, readPage } from '../schemas/generate-docs.ts';
import { MachinesSchema, RoleSchema } from '../src/catalog/schema.ts';
import { resolveConfig } from '../src/config/resolve.ts';
import { readDocument } from '../src/document/read-document.ts';
import type { Problem } from '../src/errors.ts';

const ROOT = join(import.meta.dirname, '..');
const PAGES = ['*.md', 'docs/**/*.md', 'assets/*.md', 'test/fixtures/**/*.md']
  .flatMap((pattern) => globSync(pattern, { cwd: ROOT }))
  .toSorted();

const read = (page: string): string => readFileSync(join(ROOT, page), 'utf8');
const withoutBlocks = (text: string): string => text.replace(/^ *```[\s\S]*?^ *```/gm, '');

/** Every first group of a pattern in a text. */
function* matches(text: string, pattern: RegExp): Generator<string> {
  for (const [, found] of text.matchAll(pattern)) if (found !== undefined) yield found;
}

/** As a forge makes them of headings. */
function anchorsOf(page: string): readonly string[] {
  const headings = [...matches(withoutBlocks(read(page)), /^#+ (.+)$/gm)];
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

t.test('the tables of the configuration page are those of the schemas', async (t) => {
  t.equal(readPage(), generatePage(readPage()), 'node bin/bootstrap.mjs schemas/generate-docs.ts');
  t.equal(readDiagnoses(), generateDiagnoses(readDiagnoses()), 'and those of the diagnoses');
});

t.test('every link within the repository leads somewhere', async (t) => {
  let links = 0;
  for (const page of PAGES) {
    for (const link of matches(withoutBlocks(read(page)), /\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      links++;
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      t.ok(existsSync(join(ROOT, target)), `${page}: ${link}`);
      if (anchor !== undefined) t.ok(anchorsOf(target).includes(anchor), `${page}: ${link}`);
    }
  }
  t.ok(links > 50, `${links} links`);
});

t.test('every file, script and command that is named exists', async (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Record<string, string> };
  for (const page of PAGES) {
    const text = read(page);
    const paths = /`((?:src|test|bench|bin|schemas|docs|profiles|systemd)\/[\w./-]+\.\w+)/g;
    for (const path of matches(text, paths)) {
      // Stands for any.
      if (!path.includes('/a/b.')) t.ok(existsSync(join(ROOT, path)), `${page}: ${path}`);
    }
    for (const script of matches(text, /npm run ([\w:]+)/g)) t.ok(script in scripts, `${page}: ${script}`);
    for (const command of matches(text, /(?:^|`|sudo )tinderbox ([a-z]+)\b/gm)) {
      const files = [`src/cli/${command}.ts`, `src/cli/${command}-command.ts`];
      t.ok(
        files.some((file) => existsSync(join(ROOT, file))),
        `${page}: tinderbox ${command}`,
      );
    }
  }
});

/** What is wrong with an example, by the file that its first line says it is. */
function problemsOf(example: string): readonly Problem[] | undefined {
  const [first = ''] = example.split('\n');
  const file = /^# (?:\S*\/)?(tinderbox|machines|role)\.yaml\b/.exec(first)?.[1];
  switch (file) {
    case 'tinderbox':
      return resolveConfig({ file: 'tinderbox.yaml', content: example, folder: '/etc/tinderbox', env: {} })
        .problems;
    case 'machines':
      return readDocument(MachinesSchema, { file: 'machines.yaml', text: example }).problems;
    case 'role':
      return readDocument(RoleSchema, { file: 'role.yaml', text: example }).problems;
    default:
      return undefined;
  }
}

t.test('every example of a file is one that Tinderbox takes', async (t) => {
  let examples = 0;
  for (const page of PAGES) {
    for (const example of matches(read(page), /^```yaml\n([\s\S]*?)^```/gm)) {
      const problems = problemsOf(example);
      if (problems === undefined) continue;
      examples++;
      t.strictSame(problems, [], `${page}: ${example.split('\n', 1)[0]}`);
    }
  }
  t.ok(examples >= 5, `${examples} examples`);
});
