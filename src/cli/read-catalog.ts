import { brokenCatalog } from '../catalog/catalog-holder.ts';
import { loadCatalog } from '../catalog/load-catalog.ts';
import type { Config } from '../config/port.ts';
import type { Catalog } from '../machine/role.ts';
import { checkRoleTemplates } from '../render/check-templates.ts';

/** The roles and machines as the files are now. Throws TinderboxError `invalid-catalog` with every problem. */
export async function readCatalog(config: Config): Promise<Catalog> {
  const dir = config.paths.profiles;
  const { catalog, problems } = await loadCatalog(dir, { generation: 1, checkRole: checkRoleTemplates });
  if (catalog === undefined) throw brokenCatalog(dir, problems);
  return catalog;
}
