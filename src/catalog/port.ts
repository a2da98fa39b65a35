import type { Problem } from '../errors.ts';
import type { Catalog } from '../machine/role.ts';

/** The catalog that is in force, and what is wrong with the files if they are newer and broken. */
export interface CatalogView {
  current(): Catalog;
  /** Empty when the files on disk are the catalog in force. */
  problems(): readonly Problem[];
}
