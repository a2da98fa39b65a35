import { cp } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HTMX_FILES } from '../src/admin/page/static-files.ts';
import { packageFolder } from './bundle-program.ts';

/**
 * The admin plane's page, beside the files of the program that read it: lib/views, lib/static. Returns the npm packages
 * whose code is in it.
 */
export async function stagePage(root: string, lib: string): Promise<readonly string[]> {
  for (const name of ['views', 'static'])
    await cp(join(root, 'src/admin/page', name), join(lib, name), { recursive: true });
  for (const file of HTMX_FILES)
    await cp(join(packageFolder(root, 'htmx.org'), 'dist', file), join(lib, 'static', basename(file)));
  return ['htmx.org'];
}
