import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { runProgram } from './run-program.ts';

/** Makes a folder of .deb files an apt source (`deb [trusted=yes] file:<folder> ./`) by writing its `Packages`. */
export async function indexPackages(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.deb')).toSorted();
  const paragraphs: string[] = [];
  for (const name of names) {
    const content = await readFile(`${folder}/${name}`);
    const fields = await runProgram(['dpkg-deb', '--field', `${folder}/${name}`]);
    const hash = createHash('sha256').update(content).digest('hex');
    paragraphs.push(`${fields.trimEnd()}\nFilename: ./${name}\nSize: ${content.length}\nSHA256: ${hash}\n`);
  }
  await writeFile(`${folder}/Packages`, paragraphs.join('\n'));
}
