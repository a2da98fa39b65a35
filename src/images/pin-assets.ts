import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CURRENT, readCurrent } from './image-folder.ts';
import { isImageName } from './image-manifest.ts';

/** `/assets/flatcar/vmlinuz` → `/assets/flatcar/4230.2.0/vmlinuz`: what each link of a current version stands for. */
export type PinnedPaths = ReadonlyMap<string, string>;

/** Scripts are asked for by racks at once: for so long, in milliseconds, what was read holds. */
const HOLDS = 1_000;

/** Every link that `assets use` made. Does not throw: what cannot be read is not pinned, and served as it is named. */
export async function readPins(assets: string): Promise<PinnedPaths> {
  const pins = new Map<string, string>();
  for (const image of await readdir(assets, { withFileTypes: true }).catch(() => [])) {
    if (!image.isDirectory() || !isImageName(image.name)) continue;
    const folder = join(assets, image.name);
    const version = await readCurrent(folder);
    if (version === undefined) continue;
    const base = `/assets/${image.name}`;
    pins.set(`${base}/${CURRENT}`, `${base}/${version}`);
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      if (!entry.isSymbolicLink() || entry.name === CURRENT) continue;
      const target = await readlink(join(folder, entry.name)).catch(() => '');
      if (target === `${CURRENT}/${entry.name}`)
        pins.set(`${base}/${entry.name}`, `${base}/${version}/${entry.name}`);
    }
  }
  return pins;
}

export interface Pins {
  /** Awaited before a script is made; reads the folder at most once a second. */
  refresh(): Promise<void>;
  /** As it was last read: the same for kernel and initrd of one script. */
  current(): PinnedPaths;
}

/** `now`: milliseconds, of a clock that does not jump. */
export function createPins(assets: string, now: () => number = () => performance.now()): Pins {
  let pins: PinnedPaths = new Map();
  let until = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  const read = async (): Promise<void> => {
    pins = await readPins(assets);
    until = now() + HOLDS;
    reading = undefined;
  };
  return {
    refresh() {
      if (now() < until) return Promise.resolve();
      reading ??= read();
      return reading;
    },
    current: () => pins,
  };
}
