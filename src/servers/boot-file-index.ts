import { DEFAULT_LOADERS, loaderFor } from '../boot/choose-bootfile.ts';
import { SHIMS } from '../boot/choose-loaders.ts';
import { FIRMWARE_ARCHITECTURES } from '../machine/architecture.ts';
import type { BootFiles } from './tftp-files.ts';

/** One line of what the operator is told: which file serves which architecture. */
export interface BootFileRow {
  /** As in `loaders:`. */
  readonly architecture: string;
  readonly label: string;
  /** Undefined: no loader is configured. */
  readonly file: string | undefined;
  /** Undefined: the file is missing. */
  readonly path: string | undefined;
  /** Named by the operator, or one that a distribution's package brings. */
  readonly expected: boolean;
}

/** Which loaders can be served right now, known without touching the disk for each packet. */
export interface BootFileIndex {
  isPresent(file: string): boolean;
  /** Where it is; undefined: it is missing, or nobody named it. */
  pathOf(file: string): string | undefined;
  /** Files that roles name, besides; found with the next `refresh`. */
  nameFiles(files: readonly string[]): void;
  rows(): readonly BootFileRow[];
  refresh(): Promise<void>;
}

/** What Debian's `ipxe` package has; a machine of these kinds can be expected to boot. */
const PACKAGED = new Set(['bios', 'uefi-x64']);

export function createBootFileIndex(
  bootFiles: Pick<BootFiles, 'find' | 'nameLoaders'>,
  loaders: ReadonlyMap<string, string>,
): BootFileIndex {
  let paths = new Map<string, string>();
  let ofRoles: readonly string[] = [];
  return {
    isPresent: (file) => paths.has(file),
    pathOf: (file) => paths.get(file),
    nameFiles(files) {
      ofRoles = files;
      bootFiles.nameLoaders(files);
    },
    rows: () =>
      FIRMWARE_ARCHITECTURES.filter(
        ({ name }, index) => FIRMWARE_ARCHITECTURES.findIndex((other) => other.name === name) === index,
      ).map((architecture) => {
        const { name, label } = architecture;
        const file = loaderFor(architecture, loaders);
        const expected =
          PACKAGED.has(name) ||
          (loaders.has(name) &&
            loaders.get(name) !== DEFAULT_LOADERS.get(name) &&
            // `secureBoot` stands for three, and few have machines of each.
            loaders.get(name) !== SHIMS.get(name));
        return {
          architecture: name,
          label,
          file,
          path: file === undefined ? undefined : paths.get(file),
          expected,
        };
      }),
    async refresh() {
      const found = new Map<string, string>();
      for (const file of new Set([...loaders.values(), ...ofRoles])) {
        const path = await bootFiles.find(file);
        if (path !== undefined) found.set(file, path);
      }
      paths = found;
    },
  };
}

/** The operator's loaders over those that need no configuration. */
export function allLoaders(configured: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...DEFAULT_LOADERS, ...configured]);
}
