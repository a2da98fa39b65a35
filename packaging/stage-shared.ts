import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readCommands } from './read-commands.ts';
import { copyFile } from './stage-program.ts';
import { writeCompletions } from './write-completions.ts';
import { writeConfigPage, writeProgramPage } from './write-man-pages.ts';

/** What ships beside the program, as data. */
export async function stageData(root: string, out: string): Promise<void> {
  for (const name of ['profiles', 'examples'])
    await cp(join(root, name), join(out, name), { recursive: true });
  for (const name of await readdir(join(root, 'schemas')))
    if (name.endsWith('.json')) await copyFile(join(root, 'schemas', name), join(out, 'schemas', name));
}

export async function stageDocs(root: string, out: string): Promise<void> {
  await mkdir(out, { recursive: true });
  for (const name of ['README.md', 'SECURITY.md', 'CHANGELOG.md'])
    await copyFile(join(root, name), join(out, name));
  for (const name of await readdir(join(root, 'docs'))) {
    if (/\.(md|svg|png)$/.test(name)) await copyFile(join(root, 'docs', name), join(out, 'docs', name));
  }
}

/** Units, and what makes the user and the folders. A drop-in is data: `init` copies it to where it holds, if wanted. */
export async function stageSystemd(root: string, usr: string): Promise<void> {
  const folder = join(root, 'systemd');
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of files.filter((each) => each.isFile())) {
    const from = join(entry.parentPath, entry.name);
    const to = placeOf(relative(folder, from));
    if (to !== undefined) await copyFile(from, join(usr, to));
  }
}

/** Below usr/, from the name in systemd/. */
function placeOf(name: string): string | undefined {
  if (name === 'tinderbox.sysusers') return 'lib/sysusers.d/tinderbox.conf';
  if (name === 'tinderbox.tmpfiles') return 'lib/tmpfiles.d/tinderbox.conf';
  if (name.includes('/')) return `share/tinderbox/systemd/${name}`;
  return /\.(service|socket|target|timer|path)$/.test(name) ? `lib/systemd/system/${name}` : undefined;
}

/** The same bytes for the same text: zlib writes neither name nor time into the header. */
export function zip(text: string): Buffer {
  return gzipSync(text, { level: 9 });
}

export async function linkLauncher(usr: string): Promise<void> {
  await mkdir(join(usr, 'bin'), { recursive: true });
  await symlink('../lib/tinderbox/bin/tinderbox', join(usr, 'bin/tinderbox'));
}

/** Man pages and completions, below share/. */
export async function stageManuals(
  share: string,
  settings: { readonly version: string; readonly sourceDate: number },
): Promise<void> {
  const program = readCommands();
  const completions = writeCompletions(program);
  const files: Readonly<Record<string, string | Buffer>> = {
    'man/man1/tinderbox.1.gz': zip(writeProgramPage(program, settings)),
    'man/man5/tinderbox.yaml.5.gz': zip(writeConfigPage(settings)),
    'bash-completion/completions/tinderbox': completions.bash,
    'zsh/vendor-completions/_tinderbox': completions.zsh,
    'fish/vendor_completions.d/tinderbox.fish': completions.fish,
  };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(share, name)), { recursive: true });
    await writeFile(join(share, name), content);
  }
}
