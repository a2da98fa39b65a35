/**
 * Run with a URL and a folder, in a mount namespace of its own: fetches the URL to a tmpfs there that is too small while
 * nobody noticed before, then once more with room, and prints what happened as JSON.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { toTinderboxError } from '../../src/errors.ts';
import { downloadFile } from '../../src/images/download-file.ts';
import { openHttp } from '../../src/images/http-get.ts';

const [url = '', disk = ''] = process.argv.slice(2);
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', disk]);
await using http = await openHttp();
/** As if another program had taken the room meanwhile. */
const space = {
  reserve: () => Promise.resolve({ wrote: () => undefined, [Symbol.dispose]: () => undefined }),
};
const fetch = () =>
  downloadFile(url, join(disk, 'image'), { http, space, name: 'image', tries: 3, pause: 1 });
const full = await fetch().catch((thrown: unknown) => {
  const { code, message, remedy } = toTinderboxError(thrown);
  return { code, message, remedy };
});
const list = readdirSync(disk).toSorted();
const part = statSync(join(disk, 'image.part')).size;
execFileSync('mount', ['-o', 'remount,size=8m', disk]);
console.log(JSON.stringify({ full, list, part, room: await fetch(), after: readdirSync(disk) }));
