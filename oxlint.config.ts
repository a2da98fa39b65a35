import { defineConfig } from 'oxlint';

/** Folders that touch the outside. One edge sees another only through its `port.ts`, which holds types. */
const edges = [
  'servers',
  'http',
  'admin',
  'store',
  'net',
  'catalog',
  'config',
  'pki',
  'cluster',
  'backup',
  'power',
  'images',
  'lab',
];
const decisions = ['boot', 'render', 'document'];
const folders = ['cli', ...edges, ...decisions, 'protocol', 'machine'];

/** Package → the folders that may import it. An empty list: only files at the top of src/. */
const users: Record<string, readonly string[]> = {
  '@kubernetes/client-node': ['cluster'],
  '@kubernetes/client-node/dist/gen/apis/CoreV1Api.js': ['cluster'],
  '@kubernetes/client-node/dist/gen/configuration.js': ['cluster'],
  '@kubernetes/client-node/dist/gen/servers.js': ['cluster'],
  'better-sqlite3': ['store'],
  commander: ['cli'],
  dhcp: ['protocol/dhcp'],
  fastify: ['http', 'admin'],
  '@fastify/cookie': ['admin'],
  '@fastify/formbody': ['admin'],
  '@fastify/swagger': ['admin'],
  // The pages' views are the admin plane's own.
  handlebars: ['render', 'admin'],
  koffi: ['net'],
  'node-forge': ['pki'],
  'node-forge/lib/asn1.js': ['pki'],
  'node:dgram': ['servers', 'net', 'lab'],
  openpgp: ['images'],
  pino: [],
  'pino-pretty': [],
  'prom-client': ['admin'],
  tftp: ['lab'],
  undici: ['cluster', 'images', 'power'],
};

/** What bytes, decisions and vocabulary never touch. */
const outside = [
  'child_process',
  'fs',
  'fs/promises',
  'http',
  'net',
  'os',
  'timers/promises',
  'worker_threads',
];

interface Layer {
  readonly folder: string;
  readonly mayImport: readonly string[];
  readonly pure: boolean;
  readonly message: string;
}

const layers: readonly Layer[] = [
  { folder: 'machine', mayImport: [], pure: true, message: 'machine/ is vocabulary: it imports nothing' },
  ...['protocol/dhcp', 'protocol/pcap', 'protocol/syslog', 'protocol/tftp'].map((folder) => ({
    folder,
    mayImport: ['protocol', 'machine'],
    pure: true,
    message: 'protocol/ is bytes: of the project it may import machine/ only',
  })),
  ...decisions.map((folder) => ({
    folder,
    mayImport: [...decisions, 'protocol', 'machine'],
    pure: true,
    message: 'decisions may import bytes, vocabulary and each other',
  })),
  ...edges.map((folder) => ({
    folder,
    mayImport: [folder, ...decisions, 'protocol', 'machine'],
    pure: false,
    message: 'an edge sees another only through its port.ts',
  })),
  {
    folder: 'cli',
    mayImport: ['cli', 'config', 'catalog', 'images', 'lab', 'admin', ...decisions, 'protocol', 'machine'],
    pure: false,
    message: 'cli uses the daemon, config, catalog, lab and the client of admin',
  },
];

function arrowsOf({ folder, mayImport, pure, message }: Layer) {
  const forbidden = folders.filter((other) => !mayImport.includes(other) && other !== folder);
  const portsAllowed = !pure;
  const patterns = forbidden.map((other) => ({
    group: portsAllowed ? [`**/${other}/**`, `!**/${other}/port.ts`] : [`**/${other}/**`],
    message,
  }));
  if (pure) patterns.push({ group: ['**/logger.ts'], message: 'bytes and decisions never log' });
  if (folder !== 'cli') patterns.push({ group: ['**/daemon.ts'], message: 'only cli starts the daemon' });
  const paths = Object.entries(users)
    .filter(([, allowed]) => !allowed.includes(folder))
    .map(([name, allowed]) => ({
      name,
      message: `only ${allowed.map((user) => `src/${user}`).join(', ') || 'src/logger.ts'} may use it`,
    }));
  if (pure) {
    paths.push(
      ...outside.map((name) => ({
        name: `node:${name}`,
        message: 'bytes and decisions touch nothing outside',
      })),
    );
  }
  return { files: [`src/${folder}/**`], rules: { 'no-restricted-imports': ['error', { paths, patterns }] } };
}

export default defineConfig({
  plugins: ['typescript', 'import', 'node', 'unicorn', 'promise', 'oxc'],
  categories: { correctness: 'error', suspicious: 'error' },
  options: { typeAware: true },
  ignorePatterns: ['node_modules', '.tap', '.cache', 'var', 'dist'],
  rules: {
    eqeqeq: 'error',
    'import/no-cycle': 'error',
    'import/no-default-export': 'error',
    // tsc knows better: an exhaustive switch returns.
    'typescript/consistent-return': 'off',
    'no-await-in-loop': 'off',
    'no-console': 'error',
    'typescript/await-thenable': 'error',
    'typescript/consistent-type-imports': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/no-floating-promises': 'error',
    // Brands (Mac, Ipv4) are made by assertion, in one place each.
    'typescript/no-unsafe-type-assertion': 'off',
    'typescript/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    'unicorn/no-array-sort': 'off',
  },
  overrides: [
    ...layers.map(arrowsOf),
    {
      files: ['test/**'],
      rules: {
        // tap's `t.test` returns a promise that tap itself waits for, and every callback's argument is `t`.
        'import/no-named-as-default-member': 'off',
        'no-shadow': 'off',
        'typescript/no-floating-promises': 'off',
      },
    },
    {
      files: [
        'test/**',
        'bench/**',
        'schemas/**',
        'bin/**',
        'packaging/**',
        'src/lab/demo*.ts',
        'oxlint.config.ts',
      ],
      rules: { 'no-console': 'off', 'import/no-default-export': 'off' },
    },
  ],
});
