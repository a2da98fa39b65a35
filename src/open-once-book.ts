import type { CatalogHolder } from './catalog/catalog-holder.ts';
import type { Logger } from './logger.ts';
import type { OnceUse } from './machine/once.ts';
import { createOnceBook, usesInForce } from './store/once-book.ts';
import type { Journal, OnceBook, Store } from './store/port.ts';

export interface OnceBookParts {
  readonly store: Pick<Store, 'putOnceUse' | 'dropOnceUse' | 'holdOnceUses'>;
  readonly stored: readonly OnceUse[];
  readonly catalog: Pick<CatalogHolder, 'current'>;
  readonly journal: Pick<Journal, 'sessionOf'>;
  /** Boots that succeeded may be unknown. */
  readonly isUnknown: boolean;
  readonly logger: Logger;
  readonly now: () => number;
}

/** What became of each `once:`, as it was left; of what may be forgotten a person decides. Rejects with the store's error. */
export async function openOnceBook(parts: OnceBookParts): Promise<OnceBook> {
  const { store, stored, catalog, journal, isUnknown, logger, now } = parts;
  const { kept, gone } = usesInForce(stored, catalog.current());
  for (const mac of gone) await store.dropOnceUse(mac);
  const book = createOnceBook({
    store,
    uses: kept,
    sessionOf: (mac) => journal.sessionOf(mac),
    clock: now,
    failed: (mac, error) =>
      logger.error({ err: error, mac }, 'what became of a `once:` could not be written down'),
  });
  if (!isUnknown) return book;
  const held = await book.hold(catalog.current());
  if (held.length > 0) {
    logger.warn(
      { machines: held },
      `the database may not know which machines have booted their \`once:\`: ${held.length} of them wait until you say so, by: tinderbox assign MAC ROLE --once, or --no-once`,
    );
  }
  return book;
}
