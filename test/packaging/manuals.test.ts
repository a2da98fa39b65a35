import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { flatten, readCommands } from '../../packaging/read-commands.ts';
import { roffText } from '../../packaging/roff.ts';
import { writeCompletions } from '../../packaging/write-completions.ts';
import { writeConfigPage, writeProgramPage } from '../../packaging/write-man-pages.ts';
import { rowsOfFile } from '../../schemas/generate-docs.ts';

const folder = mkdtempSync(join(tmpdir(), 'tinderbox-manuals-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const program = readCommands();
const settings = { version: '1.2.3', sourceDate: 1_000_000_000 };

/** As groff shows it, and what it warns of. */
function show(page: string): { readonly text: string; readonly warnings: string } {
  const argv = ['-man', '-Tutf8', '-P-cbou', '-ww', '-rLL=200n', '-k'];
  const { stdout, stderr } = spawnSync('groff', argv, { input: page, encoding: 'utf8' });
  return { text: stdout, warnings: stderr };
}

t.test('tinderbox(1) has every command with its options and examples', async (t) => {
  const { text, warnings } = show(writeProgramPage(program, settings));
  t.equal(warnings, '');
  for (const { path, options, notes } of flatten(program)) {
    t.match(text, path);
    for (const { flags } of options) for (const flag of flags) t.ok(text.includes(flag), `${path} ${flag}`);
    for (const line of notes.split('\n')) t.ok(text.includes(line.trim()), line);
  }
});

t.test('tinderbox.yaml(5) has every key', async (t) => {
  const { text, warnings } = show(writeConfigPage(settings));
  t.equal(warnings, '');
  const rows = rowsOfFile('tinderbox.schema.json');
  t.ok(rows.length > 30);
  for (const { key } of rows) t.ok(text.includes(key), key);
});

t.test('a page of the same sources is the same', async (t) => {
  t.equal(writeProgramPage(readCommands(), settings), writeProgramPage(program, settings));
  t.match(writeProgramPage(program, settings), /^\.TH TINDERBOX 1 2001-09-09 "Tinderbox 1\.2\.3"/);
});

t.test('text is not read as a request or an escape', async (t) => {
  const table = ['.SH no', "'no", 'back\\slash', 'a-b `c`'];
  for (const line of table) t.match(show(`.TH X 1\n.SH A\n${roffText(line)}\n`).text, line);
});

t.test('bash completes commands, options and values', async (t) => {
  const file = join(folder, 'completion.bash');
  writeFileSync(file, writeCompletions(program).bash);
  const lint = spawnSync('shellcheck', ['-s', 'bash', file], { encoding: 'utf8' });
  t.equal(lint.stdout, '');
  const complete = (...words: readonly string[]): readonly string[] => {
    const script =
      'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tinderbox; printf "%s\\n" "${COMPREPLY[@]}"';
    const { stdout } = spawnSync('bash', ['-c', script, 'bash', file, ...words], {
      encoding: 'utf8',
      cwd: folder,
    });
    return stdout.split('\n').filter((line) => line !== '');
  };
  const commands = program.commands.map(({ path }) => path.replace('tinderbox ', ''));
  t.strictSame(complete('tinderbox', '').slice(0, commands.length), commands);
  const table: readonly [readonly string[], readonly string[]][] = [
    [['che'], ['check']],
    [['ca', 'im'], ['import']],
    [['--config', 'x.yaml', 'kub'], ['kubeconfig']],
    [['assign', '--host'], ['--hostname']],
    [
      ['machines', '--format', 'ans'],
      ['ansible', 'ansible-json'],
    ],
    [['serve', '--config', 'compl'], ['completion.bash']],
    [['serve', '--no-such'], []],
  ];
  for (const [words, expected] of table)
    t.strictSame(complete('tinderbox', ...words), expected, words.join(' '));
});
