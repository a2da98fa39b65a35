import { join } from 'node:path';
import type { MachineListView } from './admin/api.ts';
import { overviewView } from './admin/api.ts';
import type { Config } from './config/port.ts';
import { TinderboxError, toTinderboxError } from './errors.ts';
import type { ExplainSources } from './explain-machine.ts';
import { admissionsOf, holdersOf, memoryOf } from './known-holders.ts';
import { runPreflight } from './preflight.ts';
import { DATABASE_FILE } from './preflight-state.ts';
import { NO_MEMORY } from './preview.ts';
import { networksOf } from './provisioning.ts';
import type { StoreReader } from './store/port.ts';
import { openStoreReadOnly } from './store/sqlite-store.ts';

export interface OfflineSources extends AsyncDisposable {
  readonly sources: ExplainSources;
  /** Why nothing is known of machines although there is something to know. */
  readonly unknown?: TinderboxError;
}

const PAGE = 1000;
/** More machines than anybody reads names of: who comes after them may get a name that is taken. */
const MOST_MACHINES = 50_000;

/**
 * The files and the database of a daemon that does not run. Throws `invalid-catalog` where profiles/ is broken: without
 * it nothing can be explained.
 */
export async function openOfflineSources(config: Config, now: number): Promise<OfflineSources> {
  const { catalog, problems, host, bootFileIndex } = await runPreflight(config);
  if (catalog === undefined) {
    throw new TinderboxError('invalid-catalog', `${config.paths.profiles} is not sound`, { problems });
  }
  const { store, unknown } = await openStoreReadOnly(join(config.paths.state, DATABASE_FILE)).then(
    (opened) => ({ store: opened, unknown: undefined }),
    (thrown: unknown) => ({ store: undefined, unknown: toTinderboxError(thrown) }),
  );
  const sources: ExplainSources = {
    config,
    catalog,
    catalogProblems: problems.filter(
      ({ severity, file }) => severity === 'error' && isOfProfiles(file, config),
    ),
    store,
    holders: store === undefined ? new Map() : holdersOf(await readMachines(store)),
    ...(store === undefined ? NO_MEMORY : memoryOf(await admissionsOf(store))),
    networks: networksOf(config, host),
    isBootfilePresent: (file) => bootFileIndex.isPresent(file),
    leases: undefined,
    loops: undefined,
    now,
  };
  return {
    sources,
    // There is no database before the first start.
    ...(unknown === undefined || unknown.code === 'not-found' ? {} : { unknown }),
    [Symbol.asyncDispose]: async () => store?.close(),
  };
}

function isOfProfiles(file: string | undefined, { paths }: Config): boolean {
  return file?.startsWith(`${paths.profiles}/`) === true;
}

async function readMachines(store: Pick<StoreReader, 'listMachines'>): Promise<MachineListView['machines']> {
  const all: MachineListView['machines'][number][] = [];
  for (let offset = 0; offset < MOST_MACHINES; offset += PAGE) {
    const page = await store.listMachines({ limit: PAGE, offset });
    all.push(...page.map((each) => overviewView(each)));
    if (page.length < PAGE) break;
  }
  return all;
}
