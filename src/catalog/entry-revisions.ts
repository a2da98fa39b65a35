import { readFile } from 'node:fs/promises';
import type { Mac } from '../machine/mac.ts';
import { entryTextOf, entryTextsOf } from './read-entry-text.ts';
import { revisionOf } from './revision-of.ts';
import { splitEntries } from './split-entries.ts';

/** Of the entries of these machines in machines.yaml, or of their absence. Never throws. */
export type EntryRevisions = (file: string, macs: readonly Mac[]) => Promise<ReadonlyMap<Mac, string>>;

/**
 * For pages of a list, which ask for fifty once a second: ten thousand entries take seconds to parse, and nothing else
 * is done meanwhile. So the lines of each are parsed by themselves, and remembered for as long as the file's text is the
 * same. A file that an editor just left broken has no entries: whoever edits it by that is told so.
 */
export function createEntryRevisions(): EntryRevisions {
  let known: { readonly text: string; readonly revisionFor: (mac: Mac) => string } | undefined;
  return async (file, macs) => {
    try {
      const text = await readFile(file, 'utf8');
      if (known?.text !== text) known = { text, revisionFor: remember(findRevision(text)) };
      const { revisionFor } = known;
      return new Map(macs.map((mac) => [mac, revisionFor(mac)]));
    } catch {
      return new Map(macs.map((mac) => [mac, revisionOf(undefined)]));
    }
  };
}

function findRevision(text: string): (mac: Mac) => string {
  const entries = splitEntries(text);
  if (entries === undefined) {
    const texts = entryTextsOf(text);
    return (mac) => revisionOf(texts.get(mac));
  }
  return (mac) => {
    const lines = entries.get(mac);
    return revisionOf(lines === undefined ? undefined : entryTextOf(`machines:\n${lines}`, mac));
  };
}

function remember(find: (mac: Mac) => string): (mac: Mac) => string {
  const found = new Map<Mac, string>();
  return (mac) => {
    const revision = found.get(mac) ?? find(mac);
    found.set(mac, revision);
    return revision;
  };
}
