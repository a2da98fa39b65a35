import { startHttpServer } from '../../src/http/server.ts';
import { createLoggers } from '../../src/logger.ts';
import { createFileSender, memoryFiles } from '../../src/net/file-sender.ts';
import type { Journal } from '../../src/store/port.ts';

/**
 * The provisioning plane alone, in a process of its own, with a journal that forgets: argv: assets folder, bytes of
 * cache, threads that send (0: the main thread). Prints its port, then its resident memory and processor time as JSON for each line that comes in.
 */
const journal: Journal = {
  record: () => undefined,
  sessionOf: () => undefined,
  sessionById: () => undefined,
  machine: () => undefined,
  keepRecord: () => undefined,
  addressUser: () => undefined,
  macAt: () => undefined,
  hostnameHolder: () => undefined,
  joiningMachines: () => [],
  forget: async () => false,
  learnAddress: () => undefined,
  count: () => undefined,
  counters: () => new Map(),
  subscribe: () => () => undefined,
  flush: () => Promise.resolve(),
  written: () => Promise.resolve(),
};

const unused = (): never => {
  throw new Error('the bench asks for assets only');
};

const inMemory = memoryFiles();
const threads = Number(process.argv[4] ?? 2);
const fileSender =
  threads === 0
    ? undefined
    : createFileSender({ threads, crashed: (reason) => console.error(`a sender ended: ${reason}`) });

const server = await startHttpServer({
  ...(inMemory === undefined || threads === 0 ? {} : { memoryFiles: inMemory }),
  ...(fileSender === undefined ? {} : { fileSender }),
  listen: [{ host: '127.0.0.1' }],
  port: 0,
  // All clients of a bench have one address.
  limits: { connectionsPerAddress: 1_024 },
  assets: process.argv[2] ?? '.',
  cacheBytes: Number(process.argv[3]),
  sessionTime: 3_600,
  strictAddress: false,
  journal,
  sessionTokens: { tokenFor: unused, resolve: unused },
  joinsCluster: unused,
  plan: unused,
  once: { arrives: unused, tries: unused, succeeds: unused, written: unused },
  buildContext: unused,
  renderer: {
    bootstrapScript: unused,
    machineScript: unused,
    waitScript: unused,
    refusalScript: unused,
    renderConfig: unused,
  },
  grub: { bootstrap: unused, machineScript: unused, waitScript: unused, refusalScript: unused },
  assetStage: () => undefined,
  logger: createLoggers({ level: 'silent' }).http,
  clock: Date.now,
});
console.log(JSON.stringify({ port: server.addresses[0]?.port }));
process.stdin.on('data', () => {
  const { user, system } = process.cpuUsage();
  console.log(JSON.stringify({ rss: process.memoryUsage.rss(), cpuSeconds: (user + system) / 1e6 }));
});
process.stdin.on('end', () => void server.stop({ graceMs: 0 }).then(() => fileSender?.stop()));
