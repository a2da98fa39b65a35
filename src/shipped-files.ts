import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Absolute folders, of files that no one edits where they are. */
export interface ShippedFiles {
  /** The roles that ship; `init` copies them. */
  readonly profiles: string;
  readonly examples: string;
  /** JSON Schemas for editors. */
  readonly schemas: string;
}

// One level below the program's folder, as a source (src/) and as a built file (lib/).
const PROGRAM = new URL('..', import.meta.url);

/**
 * Where what ships beside the program is: in its own folder (a clone, an npm package), or where a package of the
 * distribution has it: of /usr/lib/tinderbox in /usr/share/tinderbox, and likewise below any other prefix.
 */
export function findShippedFiles(program: URL = PROGRAM): ShippedFiles {
  const beside = existsSync(new URL('profiles', program));
  const base = beside ? program : new URL('../../share/tinderbox/', program);
  const folder = (name: string): string => fileURLToPath(new URL(name, base));
  return { profiles: folder('profiles'), examples: folder('examples'), schemas: folder('schemas') };
}
