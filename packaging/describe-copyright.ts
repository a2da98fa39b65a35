import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageFolder } from './bundle-program.ts';

const HEAD = `Tinderbox
Copyright The Tinderbox authors

It is under the Apache License, version 2.0, which on Debian is in
/usr/share/common-licenses/Apache-2.0. What follows is of others, and is
distributed with it.
`;

const RULE = `\n${'-'.repeat(72)}\n`;

/** The Node binary's own licence is not in its npm package. */
const NODE_NOTE = `Node.js
https://nodejs.org
Licence: MIT, and for the libraries within it (V8, OpenSSL, ICU, libuv,
zlib and others) those that the file LICENSE of this version's sources lists:
https://github.com/nodejs/node/blob/vVERSION/LICENSE

Copyright Node.js contributors. All rights reserved.

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to
deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or
sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING
FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS
IN THE SOFTWARE.
`;

interface Described {
  readonly name: string;
  readonly version: string;
  readonly license?: unknown;
  readonly homepage?: string;
  readonly author?: unknown;
}

/** The licences of these npm packages, each with its text; throws where one says nothing. */
export async function describeCopyright(
  root: string,
  packages: readonly string[],
  besides: readonly 'node'[],
): Promise<string> {
  const parts = [HEAD];
  for (const name of packages.toSorted()) parts.push(await describePackage(packageFolder(root, name)));
  if (besides.includes('node')) {
    const { version } = await readDescribed(packageFolder(root, 'node'));
    parts.push(NODE_NOTE.replace('VERSION', version));
  }
  return parts.join(RULE);
}

async function describePackage(folder: string): Promise<string> {
  const { name, version, license, author } = await readDescribed(folder);
  if (typeof license !== 'string') throw new Error(`${name} does not say what licence it has`);
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  const texts = await Promise.all(files.toSorted().map((file) => readFile(join(folder, file), 'utf8')));
  const by = typeof author === 'string' ? author : (author as { name?: string } | undefined)?.name;
  // Few ship no text of their own; the name of the licence and of the author is what they say.
  const text =
    texts.length > 0 ? texts.map((each) => each.trim()).join('\n\n') : `By ${by ?? 'its authors'}.`;
  return `${name} ${version}\nLicence: ${license}\n\n${text}\n`;
}

async function readDescribed(folder: string): Promise<Described> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Described;
}
